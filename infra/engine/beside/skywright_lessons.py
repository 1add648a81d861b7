"""What a kept nursery learns from the jobs that were forked from it: the modules that they had to import themselves."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import io
import json
import re
import socket
import sys


class Lessons:
    """What children had to import by themselves, told to the nursery at their end."""

    AT_ONCE = 200
    """Names in one packet: far below what a socket holds."""

    def __init__(self) -> None:
        self.told, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.told.setblocking(False)

    def learn(self) -> None:
        """Import what was told. Only what comes from the same file here: a program's own folder is not on our path."""
        while True:
            try:
                packet = self.told.recv(1 << 20)
            except BlockingIOError:
                return
            with contextlib.suppress(ValueError):
                for name, file in json.loads(packet):
                    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
                        self._import(name, file)
            gc.freeze()

    @staticmethod
    def _import(name: str, file: str) -> None:
        """KeyError where its package is not ours: a program's own may bear the name of one that is."""
        package, _, own = name.rpartition(".")
        if package:
            # A package that waits for its first use is loaded whole by it; begun at a part, it would lack that part.
            hasattr(sys.modules[package], own)
        if name not in sys.modules and (spec := importlib.util.find_spec(name)) and spec.origin == file:
            importlib.import_module(name)

    def tell(self, known: set[str]) -> None:
        """In a child: what is imported beyond `known`. Where its package is not, it came by a special way."""
        self._theirs.setblocking(False)
        new = [
            (name, file)
            for name, module in list(sys.modules.items())
            if name not in known
            and isinstance(file := getattr(module, "__file__", None), str)
            and all(name[: dot.start()] in sys.modules for dot in re.finditer(r"\.", name))
        ]
        with contextlib.suppress(OSError):
            for start in range(0, len(new), self.AT_ONCE):
                self._theirs.send(json.dumps(new[start : start + self.AT_ONCE]).encode())
