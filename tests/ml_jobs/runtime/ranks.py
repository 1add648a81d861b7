"""Real ranks: processes forked from one preloaded parent, joined by Gloo over the loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Nursery:
    """Talks to the preloaded parent."""

    def __init__(self) -> None:
        env = {**os.environ, **SINGLE_THREADED, "PYTHONPATH": str(HERE)}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "nursery.py"), "sample_jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        assert self._process.stdout is not None
        self.threads = json.loads(self._process.stdout.readline())["threads"]

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@dataclass
class Attempt:
    nursery: Nursery
    pids: list[int]

    def send(self, number: int) -> None:
        for pid in self.pids:
            os.kill(pid, number)  # not yet waited for: the pid is still the rank's

    def wait(self, timeout_s: float = 60) -> list[int | None]:
        codes = [self.nursery.ask(op="wait", pid=pid, timeout_s=timeout_s)["code"] for pid in self.pids]
        for pid, code in zip(self.pids, codes, strict=True):
            if code is None:
                os.kill(pid, signal.SIGKILL)
                self.nursery.ask(op="wait", pid=pid, timeout_s=10)
        return codes


@dataclass
class JobRun:
    """One job in its own folder: a contract, a spec, and as many attempts as a test starts."""

    root: Path
    nursery: Nursery
    spec: dict[str, Any]
    world_size: int = 2
    tracking_url: str = "http://127.0.0.1:9"
    env: dict[str, str] = field(default_factory=dict)
    id: str = "job-1"
    mtbf_s: float = 1.0

    @property
    def folder(self) -> Path:
        return self.root / "runs" / self.id

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints" / self.id

    def environment(self) -> dict[str, str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("data", "artifacts", "checkpoints"):
            (self.root / name).mkdir(exist_ok=True)
        (self.folder / "job.json").write_text(
            json.dumps({"version": 1, **self.spec, "job": {"by": "ada", "lineage": {"git": {"commit": "c0ffee"}}}})
        )
        (self.root / "token").write_text("a-token")
        (self.folder / "contract.json").write_text(json.dumps(self.contract()))
        return {
            "SKYWRIGHT_JOB": str(self.folder / "job.json"),
            "SKYWRIGHT_RUN_ID": self.id,
            "SKYWRIGHT_RUN_DIR": str(self.folder),
            "SKYWRIGHT_CONTRACT": str(self.folder / "contract.json"),
            "SKYWRIGHT_NOTICE_S": "20",
            "OMP_NUM_THREADS": "1",
            **self.env,
        }

    def contract(self) -> dict[str, Any]:
        roles = dict.fromkeys(("training", "serving", "pipeline", "approver"), f"file://{self.root}/token")
        storage = {name: f"file://{self.root}/{name}" for name in ("data", "artifacts", "checkpoints")}
        pool = {"name": "spot", "instance_type": "cpu", "is_spot": True, "count": 2, "mtbf_s": self.mtbf_s}
        return {
            "version": 1,
            "stack": "test",
            "environment": "dev",
            "cloud": "local",
            "identities": roles,
            "storage": storage,
            "registry": {"tracking_url": self.tracking_url, "models_ref": "models"},
            "pools": [pool],
        }

    def start(
        self,
        *,
        world_size: int | None = None,
        local_world_size: int | None = None,
        limits: dict[str, int] | None = None,
    ) -> Attempt:
        """`local_world_size`: ranks that take one another for their node's; by default all."""
        size = world_size or self.world_size
        local = local_world_size or size
        shared = self.environment()
        port = str(free_port())
        pids = []
        for rank in range(size):
            env = {
                **shared,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank % local),
                "WORLD_SIZE": str(size),
                "LOCAL_WORLD_SIZE": str(local),
                "GROUP_RANK": str(rank // local),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            log = str(self.folder / f"rank-{rank}.log")
            pids.append(self.nursery.ask(op="start", env=env, log=log, limits=limits or {})["pid"])
        return Attempt(self.nursery, pids)

    def run(self, **options: Any) -> list[int | None]:
        return self.start(**options).wait()

    def events(self, type: str | None = None) -> list[dict[str, Any]]:
        path = self.folder / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [event for event in found if type is None or event["type"] == type]

    def progress(self) -> dict[str, Any]:
        try:
            seen: dict[str, Any] = json.loads((self.folder / "progress.json").read_text())
        except (OSError, ValueError):
            return {"steps": 0}
        return seen

    def until_step(self, step: int, timeout_s: float = 30) -> None:
        """Poll until the run has come to `step`."""
        self.until(lambda: self.progress()["steps"] >= step, f"step {step}", timeout_s)

    def until(self, holds: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, f"no {what} within {timeout_s} s; log: {self.log()}"
            time.sleep(0.002)

    def log(self, rank: int = 0) -> str:
        path = self.folder / f"rank-{rank}.log"
        return path.read_text() if path.exists() else ""

    def weights(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.glob("weights-*.sha256"))]


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    parent = Nursery()
    yield parent
    parent.close()


@pytest.fixture
def job(tmp_path: Path, nursery: Nursery) -> Callable[..., JobRun]:
    """job(entry, **params) -> a JobRun in its own folder; `name` gives several jobs of one test their own."""

    def make(
        entry: str = "sample_jobs:noisy", *, name: str = "a", spec: dict[str, Any] | None = None, **params: Any
    ) -> JobRun:
        base = {"name": "job", "entry": entry, "params": params, "resources": {"count": 2}}
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        return JobRun(root, nursery, {**base, **(spec or {})})

    return make
