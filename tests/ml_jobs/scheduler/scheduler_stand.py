"""What tests start and talk to: one scheduler process of its own stack."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from ml_jobs.identity import Role, mint, new_key

REPOSITORY = Path(__file__).resolve().parents[3]
SLOW_RANK = "scheduler_rank:main"
"""A torch-free stand-in for the runtime, which speaks the same environment, events and exit codes."""

POOLS = [
    {"name": "spot", "instance_type": "local", "is_spot": True, "count": 2, "max_count": 2, "usd_per_hour": 0.3},
    {"name": "on-demand", "instance_type": "local", "count": 2, "max_count": 1, "usd_per_hour": 1.0},
]


class Stand:
    """A stack's folder and its scheduler. Times are seconds."""

    def __init__(self, root: Path, *, start: bool = True, registry: str = "", **settings: Any) -> None:
        self.root = root
        self.stack = root.name
        self.registry = registry
        private, public = new_key()
        tokens = root / "identity" / "tokens"
        tokens.mkdir(parents=True)
        (root / "identity" / "issuer.pub").write_bytes(public)
        for role in Role:
            (tokens / f"{role.value}.token").write_text(mint(private, role, stack=self.stack))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False, verify=False)
        self.config = root / "services" / "scheduler.json"
        self.config.parent.mkdir()
        self.settings = {
            "pools": POOLS,
            "rank_main": SLOW_RANK,
            "preload": [],
            "drain_s": 2,
            "retry_delay_s": 0.05,
            **settings,
        }
        self.configure()
        self.process: subprocess.Popen[str] | None = None
        if start:
            self.start()

    def configure(self, **settings: Any) -> None:
        self.settings |= settings
        self.config.write_text(
            json.dumps(
                {
                    "name": "scheduler",
                    "stack": self.stack,
                    "environment": "dev",
                    "root": str(self.root),
                    "port": self.port,
                    "issuer_key": str(self.root / "identity" / "issuer.pub"),
                    "token_file": str(self.token_file(Role.TRAINER)),
                    "artifacts_url": f"file://{self.root}/artifacts",
                    "holds_file": str(self.root / "state" / "holds.jsonl"),
                    "peers": {"registry": self.registry},
                    "settings": self.settings,
                }
            )
        )

    def token_file(self, role: Role) -> Path:
        return self.root / "identity" / "tokens" / f"{role.value}.token"

    def launch(self) -> subprocess.Popen[str]:
        self.log = self.root / "scheduler.log"
        with open(self.log, "a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "ml_jobs.local.scheduler", str(self.config)],
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{Path(__file__).parent}"},
            )

    def start(self) -> None:
        self.process = self.launch()
        self.until(self.is_up, 60, "the scheduler to be up")

    def is_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.client.get("/healthz", timeout=1).json()["pid"] == self.process.pid)
        except httpx.HTTPError:
            return False

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End the scheduler; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        self.client.close()  # its connections are the dead process's
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False, verify=False)
        return code

    def call(self, method: str, path: str, body: Any = None, *, role: Role | None = Role.ADMIN) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token_file(role).read_text()}"} if role else {}
        return self.client.request(method, path, json=body, headers=headers)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, name: str = "job", **spec: Any) -> str:
        params = spec.pop("params", {})
        body = {"name": name, "entry": "anything:goes", "params": params, **spec}
        answer = self.call("POST", "/jobs", {"spec": body, "by": "ada"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job: str) -> dict[str, Any]:
        return dict(self.get(f"/jobs/{job}"))

    def events(self, job: str, *kinds: str) -> list[dict[str, Any]]:
        events = self.get(f"/jobs/{job}/events")["events"]
        return [event for event in events if not kinds or event["type"] in kinds]

    def wait(self, job: str, *states: str, timeout: float = 60) -> dict[str, Any]:
        self.until(lambda: self.job(job)["state"] in states, timeout, lambda: f"{states}: {self.job(job)}")
        return self.job(job)

    def wait_event(self, job: str, kind: str, count: int = 1, timeout: float = 60) -> dict[str, Any]:
        """The count-th event of a kind, once it is there."""
        self.until(
            lambda: len(self.events(job, kind)) >= count, timeout, lambda: f"{count} {kind}: {self.events(job)[-8:]}"
        )
        return self.events(job, kind)[count - 1]

    @staticmethod
    def until(is_true: Callable[[], bool], timeout: float, what: str | Callable[[], str]) -> None:
        deadline = time.monotonic() + timeout
        while not is_true():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout} s for {what if isinstance(what, str) else what()}")
            time.sleep(0.02)
