"""Servers of other people's making that speak the clouds' protocols: built or installed once, in exact versions.

`python tests/ml_jobs/runtime/servers.py` makes all of them, in 70 s where Go and npm have cached nothing; a test that
needs one makes it by the same way.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from infra.engine import cache, golang

AZURITE = "3.35.0"
GO_SERVERS = {
    "fake-gcs-server": ("github.com/fsouza/fake-gcs-server", "v1.53.1", "", (1, 25)),
    "ec2-metadata-mock": ("github.com/aws/amazon-ec2-metadata-mock", "v1.13.0", "/cmd/ec2-metadata-mock", (1, 23)),
}


def program(name: str) -> Path:
    """The server's program; made when it is not there, by one process at a time."""
    version = AZURITE if name == "azurite" else GO_SERVERS[name][1]
    folder = cache.folder("test-servers") / f"{name}-{version}"
    found = folder / ("node_modules/azurite/dist/src/blob/main.js" if name == "azurite" else name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            aside = folder.with_name(f".{folder.name}-{os.getpid()}")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            _azurite(aside) if name == "azurite" else _go(name, aside)
            aside.rename(folder)
    return found


def _azurite(folder: Path) -> None:
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    subprocess.run([*command, f"azurite@{AZURITE}"], check=True, stdout=subprocess.DEVNULL)


def _go(name: str, folder: Path) -> None:
    module, version, package, oldest = GO_SERVERS[name]
    go_mod = f"module servers\n\ngo {oldest[0]}.{oldest[1]}\n\nrequire {module} {version}\n"
    made = golang.Program(name, f"{module}{package}", go_mod, oldest, disk_gib=1.5)
    golang.build(made, folder / name, folder / "source", lambda *_: None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    """The server of `command`, once it listens on `port` of the loopback."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        ends = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < ends, f"{command[0]} does not listen"
            time.sleep(0.02)
        yield port
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


class Proxy:
    """Passes bytes on to a server. Once a direction it breaks the connection that carries a byte that was named, or, of
    what is sent, takes no more of it and says nothing."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._server.getsockname()[1])
        self.sent, self.received, self.drops = 0, 0, 0
        self._drop_sent: int | None = None
        self._drop_received: int | None = None
        self._stands_still = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def drop(self, *, sent: int | None = None, received: int | None = None, stands_still: bool = False) -> None:
        """Count from zero and break once at these bytes; `stands_still`: keep the connection, read no more from it."""
        with self._lock:
            self.sent = self.received = self.drops = 0
            self._drop_sent, self._drop_received, self._stands_still = sent, received, stands_still

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(self._to)
            threading.Thread(target=self._both, args=(client, server), daemon=True).start()

    def _both(self, client: socket.socket, server: socket.socket) -> None:
        back = threading.Thread(target=self._pass, args=(server, client, self._note_received), daemon=True)
        back.start()
        self._pass(client, server, self._note_sent)
        back.join()
        client.close()  # with what came and was not read: a sender that still sends learns of it
        server.close()

    def _note_sent(self, size: int) -> bool:
        with self._lock:
            self.sent += size
            if is_due := self._drop_sent is not None and self.sent >= self._drop_sent:
                self._drop_sent, self.drops = None, self.drops + 1
            return is_due

    def _note_received(self, size: int) -> bool:
        with self._lock:
            self.received += size
            if is_due := self._drop_received is not None and self.received >= self._drop_received:
                self._drop_received, self.drops = None, self.drops + 1
            return is_due

    def _pass(self, source: socket.socket, target: socket.socket, note: Callable[[int], bool]) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if note(len(chunk)):
                    if self._stands_still:
                        return
                    break
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    for each in ("azurite", *GO_SERVERS):
        sys.stdout.write(f"{program(each)}\n")
