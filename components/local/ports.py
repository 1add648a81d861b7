"""Ports of the local stack: chosen once, kept in the state, and checked before anything is started."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from catalog.errors import SkywrightError, mistake

FIRST, LAST = 20_000, 29_999
"""Below the range from which systems give ports to outgoing connections, so that nothing takes one in between."""


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose(root: Path, wanted: Mapping[str, int], *, taken: Iterable[int] = ()) -> dict[str, int]:
    """A port for each name: the wanted one, or for 0 the next free one from a start that the folder's name gives.

    Raises UserError when a wanted port is in use.
    """
    used = set(taken)
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        if port and (not is_free(port) or port in used):
            raise mistake(
                f"skywright:local.ports.{name}", port, "a port of 127.0.0.1 that nothing listens on",
                "Choose another, or 0 to have a free one chosen.",
            )  # fmt: skip
        if port:
            used.add(chosen.setdefault(name, port))
    span = LAST - FIRST + 1
    candidate = int.from_bytes(hashlib.sha256(str(root).encode()).digest()[:4]) % span
    for name, port in wanted.items():
        for _ in range(span) if not port else ():
            candidate = (candidate + 1) % span
            if FIRST + candidate not in used and is_free(FIRST + candidate):
                used.add(chosen.setdefault(name, FIRST + candidate))
                break
        if name not in chosen:
            raise SkywrightError(f"no port of 127.0.0.1 between {FIRST} and {LAST} is free", "End what holds them.")
    return {name: chosen[name] for name in wanted}
