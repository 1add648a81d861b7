"""The lines of a process as they come."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

Lines = Callable[[str], None]
"""Called with each line that the engine prints, as it comes."""

KEPT = 200
"""Of the last lines."""


def follow(process: subprocess.Popen[str], on_line: Lines | None) -> list[str]:
    """Every line to the callback; the last ones are given back. ^C is passed on, and the engine's end waited for."""
    said: list[str] = []
    assert process.stdout is not None
    while True:
        try:
            for line in process.stdout:
                said = [*said[-KEPT:], line.rstrip("\n")]
                if on_line is not None:
                    on_line(said[-1])
            process.wait()
            return said
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
