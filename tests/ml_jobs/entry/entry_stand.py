"""A container's file system and environment, as a platform lays them out; the entry point started in them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_jobs.registry.artifact import digest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
OURS = ("SKYWRIGHT_", "AIP_", "AZUREML_", "SM_", "SAGEMAKER_", "CLUSTER_SPEC", "MASTER_", "PORT")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Container:
    """One machine of a platform: everything that the entry point reads and writes lies below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env: dict[str, str] = {}
        self.scratch = root / "scratch"
        self.processes: list[subprocess.Popen[bytes]] = []

    def put(self, path: str, data: Any) -> Path:
        """A file of the platform's, text as it is and anything else as JSON."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(data if isinstance(data, str) else json.dumps(data))
        return target

    def job(self, **spec: Any) -> None:
        """The run's record in the store, as every launcher leaves it."""
        run = "runs/job-1"
        about = {"id": "job-1", "by": "ada", "submitted_at": 1.0, "lineage": {"git": {"commit": "c0ffee"}}}
        base = {"name": "job", "entry": "sample:run", "resources": {"count": 2}}
        self.put(f"store/{run}/job.json", {**base, **spec, "job": about})
        self.put(f"store/{run}/contract.json", self.contract())
        url = (self.root / "store" / run).as_uri()
        self.env |= {
            "SKYWRIGHT_JOB": f"{url}/job.json",
            "SKYWRIGHT_CONTRACT": f"{url}/contract.json",
            "SKYWRIGHT_RUN_ID": "job-1",
            "SKYWRIGHT_POOL": "spot",
            "SKYWRIGHT_ATTEMPT": "3",
        }

    def contract(self) -> dict[str, Any]:
        store = (self.root / "store").as_uri()
        roles = dict.fromkeys(("training", "serving", "pipeline", "approver"), self.put("token", "a-token").as_uri())
        pool = {"name": "spot", "instance_type": "cpu", "is_spot": True, "count": 2, "mtbf_s": 1, "notice_s": 120}
        return {
            "version": 1, "stack": "test", "environment": "dev", "cloud": "aws", "identities": roles,
            "storage": {name: f"{store}/{name}" for name in ("data", "artifacts", "checkpoints")},
            "registry": {"tracking_url": "http://127.0.0.1:9", "models_ref": "models"}, "pools": [pool],
        }  # fmt: skip

    def model(self, path: str, **changes: Any) -> dict[str, Any]:
        """A model of the light framework in the folder `path`; the release that names it."""
        spec = {
            "format_version": 1, "model": "toy", "framework": "light", "weights": "none",
            "architecture": {"entry": "light_entry:load"},
            "inputs": [{"name": "features", "datatype": "FP64", "shape": [-1, 2]}],
            "outputs": [{"name": "total", "datatype": "FP64", "shape": [-1]}],
        }  # fmt: skip
        self.put(f"{path}/model.json", {**spec, **changes})
        self.put(f"{path}/golden.json", {"inputs": {"features": [[1, 2]]}, "outputs": {"total": [6]}})
        url = (self.root / path).as_uri()
        return {"model": "toy", "version": 7, "artifact_url": url, "artifact_sha256": digest(url)}

    def start(
        self, role: str, *, program: tuple[str, ...] = (str(HERE / "light_entry.py"),)
    ) -> subprocess.Popen[bytes]:
        self.scratch.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        shared = {
            "SKYWRIGHT_ROOT": str(self.root), "SKYWRIGHT_HOST": "127.0.0.1", "TMPDIR": str(self.scratch),
            "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(HERE), str(HERE.parent / "runtime"))),
        }  # fmt: skip
        with open(self.root / "log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, *program, role], cwd=self.scratch, stdout=log, stderr=log,
                env={**inherited, **shared, **self.env},
            )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self, role: str, **options: Any) -> int:
        return self.start(role, **options).wait(60)

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()

    def rank(self, number: int) -> dict[str, Any]:
        """What a light rank noted."""
        path = self.scratch / "skywright" / "job-1" / f"rank-{number}.json"
        self.until(path.exists, f"rank {number}")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def until(self, holds: Callable[[], Any], what: str, timeout_s: float = 30) -> Any:
        deadline = time.monotonic() + timeout_s
        while not (answer := holds()):
            assert time.monotonic() < deadline, f"no {what}: {self.log}"
            time.sleep(0.01)
        return answer

    def asked(self, method: str, port: int, path: str, **options: Any) -> httpx.Response:
        """An answer other than `not ready`, as a platform that probes would wait for."""

        def ask() -> httpx.Response | None:
            assert self.processes[-1].poll() is None, self.log
            try:
                answer = httpx.request(method, f"http://127.0.0.1:{port}{path}", trust_env=False, **options)
            except httpx.TransportError:
                return None
            return None if answer.status_code == 503 else answer

        return self.until(ask, path)  # type: ignore[no-any-return]

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    made.close()
