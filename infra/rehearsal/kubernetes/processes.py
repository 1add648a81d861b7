"""Processes that end with the one that started them, and the ports that they listen on."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now; another may be quicker, so who starts a server tries again."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def start(command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A child whose words go to `log` and which the kernel ends should this process be killed (where it can: Linux)."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )


def stop(process: subprocess.Popen[bytes], patience_s: float = 2.0) -> None:
    """End a child: asked first, then made to."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def last_words(log: Path, count: int = 3) -> str:
    """The last lines that a program wrote, for an error message."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    return " / ".join(line.strip()[:300] for line in lines[-count:]) or "it said nothing"


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
