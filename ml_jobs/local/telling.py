"""One line for whoever reads a process's log."""

from __future__ import annotations

import contextlib
import sys


def tell(text: str) -> None:
    """Write a line on stderr. A log that can't be written (its disk is full too) stops nothing."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
