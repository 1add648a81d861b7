"""A registry as it runs on the local stack: a process of its own on a free port, its keys, tokens and artifacts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_jobs.identity import Role
from ml_jobs.local import keys
from ml_jobs.registry.client import Registry

STACK = "test"
START_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """The registry's process. `stop` and `start` may be called again and again."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    start_s: float = 0
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=150, trust_env=False, verify=False))

    def __post_init__(self) -> None:
        keys.ensure(self.root, STACK)
        self.artifacts.mkdir(exist_ok=True)

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.root / "registry.log").read_text()

    def write_artifact(self, model: str, job: str, *, accuracy: float = 0.97, weights: bytes = b"weights") -> str:
        """A model version's folder with every kind of file that the runtime writes; its URL."""
        folder = self.artifacts / "models" / model / job
        folder.mkdir(parents=True, exist_ok=True)
        described = {
            "format_version": 1,
            "model": model,
            "framework": "torch",
            "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
            "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 10]}],
        }
        evaluation = {"accuracy": accuracy, "loss": 1 - accuracy, "primary": "accuracy", "higher_is_better": True}
        for name, content in {
            "model.json": described,
            "evaluation.json": evaluation,
            "lineage.json": {"git_commit": "abc", "data_sha256": "0" * 64},
        }.items():
            (folder / name).write_text(json.dumps(content))
        (folder / "weights.safetensors").write_bytes(weights)
        (folder / "card.md").write_text(f"# {model}\n")
        return folder.as_uri()

    def register(self, model: str, job: str, *, by: str = "ann", accuracy: float = 0.97) -> int:
        """A new version of `model`, as a job registers it."""
        url = self.write_artifact(model, job, accuracy=accuracy)
        return self.client(Role.TRAINER).register(url, model=model, job=job, by=by, metrics={"accuracy": accuracy})

    def launch(self) -> subprocess.Popen[bytes]:
        config = {
            "name": "registry",
            "stack": STACK,
            "environment": "dev",
            "root": str(self.root),
            "port": self.port,
            "issuer_key": str(self.root / "identity" / "issuer.pub"),
            "artifacts_url": self.artifacts.as_uri(),
            "holds_file": str(self.root / "state" / "holds.jsonl"),
            "settings": self.settings,
        }
        path = self.root / "registry.json"
        path.write_text(json.dumps(config))
        with open(self.root / "registry.log", "wb") as log:
            command = [sys.executable, "-m", "ml_jobs.local.registry", str(path)]
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        return self.process

    def start(self) -> Server:
        began = time.monotonic()
        process = self.launch()
        while time.monotonic() - began < START_S:
            assert process.poll() is None, self.log
            try:
                if self.http.get(f"{self.url}/healthz").json()["pid"] == process.pid:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        else:
            raise AssertionError(self.log)
        self.start_s = time.monotonic() - began
        return self

    def stop(self, sig: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, sig)
            self.process.wait(timeout=60)

    def token(self, role: Role) -> str:
        return (self.root / "identity" / "tokens" / f"{role.value}.token").read_text()

    def client(self, role: Role) -> Registry:
        return Registry(self.url, self.token(role), timeout_s=150)

    @property
    def approver_key(self) -> bytes:
        return (self.root / "identity" / "approver.key").read_bytes()

    def request(self, method: str, path: str, role: Role | None, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token(role)}"} if role else {}
        return self.http.request(method, self.url + path, headers=headers, json=body)

    def audit(self) -> list[dict[str, Any]]:
        lines = (self.artifacts / "audit" / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("registry")).start()
    yield running
    running.stop()
