"""A stack's folder with one real process in it, for tests that start, ask and kill processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from ml_jobs.audit import audit
from ml_jobs.identity import Role, mint, new_key


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(ask: Callable[[], Any], *, within_s: float = 40, what: str = "") -> Any:
    """The first true answer of `ask`, asked again and again until the deadline."""
    deadline = time.monotonic() + within_s
    answer = None
    while time.monotonic() < deadline:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            answer = None
            what = what or repr(error)
        if answer:
            return answer
        time.sleep(0.03)
    raise AssertionError(f"not within {within_s} s: {what}; last answer: {answer!r}")


@contextmanager
def serving(app: Any, port: int | None = None) -> Iterator[str]:
    """An ASGI app on a free port of this process; its URL."""
    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started, what="the fake server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(5)


class EndedEarly(Exception):
    """A process ended before it answered; what it wrote."""


class LocalStack:
    """`start(name, ...)` runs `python -m ml_jobs.local.<name>`; `ask` calls it as a role."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private, public = new_key()
        (root / "identity").mkdir(parents=True)
        (root / "identity" / "issuer.pub").write_bytes(public)
        for role in Role:
            self.token_file(role).write_text(mint(self.private, role, stack="test"))
        self.ports: dict[str, int] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def token_file(self, role: Role) -> Path:
        return self.root / "identity" / f"{role.value}.token"

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports.setdefault(name, free_port())}"

    @property
    def audit(self) -> list[dict[str, Any]]:
        return audit(f"file://{self.root}/artifacts").entries()

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text()

    def start(self, name: str, settings: dict[str, Any], peers: dict[str, str], role: Role = Role.VIEWER) -> None:
        self.url(name)
        config = {
            "name": name,
            "stack": "test",
            "environment": "dev",
            "root": str(self.root),
            "port": self.ports[name],
            "issuer_key": str(self.root / "identity" / "issuer.pub"),
            "token_file": str(self.token_file(role)),
            "artifacts_url": f"file://{self.root}/artifacts",
            "holds_file": str(self.root / "state" / "holds.jsonl"),
            "peers": peers,
            "settings": settings,
        }
        path = self.root / f"{name}.json"
        path.write_text(json.dumps(config))
        self.run(name)

    def run(self, name: str) -> None:
        with open(self.root / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"ml_jobs.local.{name}", str(self.root / f"{name}.json")],
                stdout=log,
                stderr=log,
            )

        def answers() -> bool:
            if self.processes[name].poll() is not None:
                raise EndedEarly(self.log(name))
            return httpx.get(f"{self.url(name)}/healthz").is_success

        eventually(answers, what=f"{name} answers")

    def limit_files(self, name: str, size: int = resource.RLIM_INFINITY) -> None:
        """What a full disk does to a process: no file of its own grows beyond `size` bytes."""
        resource.prlimit(self.processes[name].pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def kill(self, name: str, sig: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        os.kill(process.pid, sig)
        return process.wait(30)

    def ask(
        self, name: str, path: str, *, role: Role | None = Role.VIEWER, method: str = "GET", body: Any = None
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token_file(role).read_text()}"} if role else {}
        return httpx.request(method, self.url(name) + path, headers=headers, json=body, timeout=10)

    def close(self) -> None:
        for name in list(self.processes):
            if self.processes[name].poll() is None:
                self.kill(name)
