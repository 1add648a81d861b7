"""A stack's folder, its keys and its processes, for tests of what serves: real processes on free ports of loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from ml_jobs.identity import Role, mint, new_key
from ml_jobs.local.process import ServiceConfig

REPOSITORY = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def eventually(what: str, check: Callable[[], Any], timeout_s: float = 60) -> Any:
    """The first true answer of `check`; fails the test when none comes in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def answers(url: str, status: int = 200) -> Callable[[], httpx.Response | None]:
    def check() -> httpx.Response | None:
        try:
            response = httpx.get(url, trust_env=False)
        except httpx.TransportError:
            return None
        return response if response.status_code == status else None

    return check


class House:
    """One stack's folder below `root`."""

    stack = "test"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private, public = new_key()
        for folder in ("identity", "services", "state", "artifacts", "logs"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self.issuer = root / "identity" / "issuer.pub"
        self.issuer.write_bytes(public)
        self.server_token = root / "identity" / "server.token"
        self.server_token.write_text(self.token(Role.SERVER))
        self.processes: list[subprocess.Popen[bytes]] = []

    def token(self, role: Role) -> str:
        return mint(self.private, role, stack=self.stack)

    def client(self, url: str, role: Role | None = Role.ADMIN) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token(role)}"} if role else {}
        return httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30)

    def config(self, name: str, settings: dict[str, Any], port: int | None = None) -> ServiceConfig:
        config = ServiceConfig(
            name=name,
            stack=self.stack,
            environment="test",
            root=str(self.root),
            port=port or free_port(),
            issuer_key=str(self.issuer),
            token_file=str(self.server_token),
            artifacts_url=(self.root / "artifacts").as_uri(),
            holds_file=str(self.root / "state" / "holds.jsonl"),
            settings=settings,
        )
        (self.root / "services" / f"{name}.json").write_text(config.model_dump_json())
        return config

    def start(self, module: str, config: ServiceConfig) -> subprocess.Popen[bytes]:
        with open(self.root / "logs" / f"{config.name}.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(self.root / "services" / f"{config.name}.json")],
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.root / "logs" / f"{name}.log").read_text()

    def server(self, name: str, release: dict[str, Any], **settings: Any) -> tuple[str, subprocess.Popen[bytes]]:
        config = self.config(f"server-{name}", {"release": release, "release_name": name, **settings})
        return f"http://127.0.0.1:{config.port}", self.start("ml_jobs.local.server", config)

    def container(
        self, release: dict[str, Any], port_variable: str = "SKYWRIGHT_PORT", **environ: str
    ) -> tuple[int, subprocess.Popen[bytes]]:
        """A server told by its environment alone, as an image runs it: its port, and the process."""
        port = free_port()
        told = {"SKYWRIGHT_RELEASE": json.dumps(release), port_variable: str(port), "SKYWRIGHT_HOST": "127.0.0.1"}
        with open(self.root / "logs" / f"container-{port}.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ml_jobs.entry", "serve"],
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1", **told, **environ},
            )
        self.processes.append(process)
        return port, process

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def stop(process: subprocess.Popen[bytes], sig: int = signal.SIGTERM) -> int:
    process.send_signal(sig)
    return process.wait(20)


def make_artifact(
    folder: Path, *, sizes: Sequence[int] = (4, 8, 3), seed: int = 0, model: str = "toy", version: int = 1
) -> dict[str, Any]:
    """A small perceptron as a registered version; the Release that names it."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    from ml_jobs.registry.artifact import digest
    from ml_jobs.serve.architectures import mlp

    folder.mkdir(parents=True)
    module = mlp(sizes, seed).eval()
    save_file(module.state_dict(), folder / "weights.safetensors")
    rows = np.random.default_rng(seed).normal(size=(32, sizes[0])).astype(np.float32)
    with torch.inference_mode():
        logits = module(torch.from_numpy(rows))
    spec = {
        "format_version": 1,
        "model": model,
        "framework": "torch",
        "architecture": {"entry": "ml_jobs.serve.architectures:mlp", "params": {"sizes": list(sizes)}},
        "weights": "weights.safetensors",
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, sizes[0]]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, sizes[-1]]},
            {"name": "label", "datatype": "INT64", "shape": [-1]},
        ],
        "tolerance": 1e-4,
    }
    golden = {
        "inputs": {"features": rows.tolist()},
        "outputs": {"probabilities": logits.softmax(-1).tolist(), "label": logits.argmax(-1).tolist()},
    }
    (folder / "model.json").write_text(json.dumps(spec))
    (folder / "golden.json").write_text(json.dumps(golden))
    return {
        "model": model,
        "version": version,
        "artifact_url": folder.as_uri(),
        "artifact_sha256": digest(str(folder)),
        "weight_percent": 100,
    }


def make_sklearn_artifact(
    folder: Path,
    *,
    estimator: Any = None,
    datatype: str = "FP32",
    outputs: Sequence[str] = ("label",),
    model: str = "iris",
) -> dict[str, Any]:
    """Iris as a registered version, a logistic regression if no other estimator is given; its Release."""
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from skops.io import dump

    from ml_jobs.registry.artifact import digest
    from ml_jobs.serve.artifact import ModelFile
    from ml_jobs.serve.skops_model import SkopsPredictor
    from ml_jobs.serve.tensors import DATATYPES

    folder.mkdir(parents=True)
    rows, labels = load_iris(return_X_y=True)
    rows = rows.astype(DATATYPES[datatype])
    estimator = (LogisticRegression(max_iter=1000) if estimator is None else estimator).fit(rows, labels)
    dump(estimator, folder / "model.skops")
    known = {
        "label": {"name": "label", "datatype": "INT64", "shape": [-1]},
        "probabilities": {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
        "prediction": {"name": "prediction", "datatype": "FP64", "shape": [-1]},
    }
    spec = {
        "format_version": 1,
        "model": model,
        "framework": "sklearn",
        "weights": "model.skops",
        "inputs": [{"name": "features", "datatype": datatype, "shape": [-1, 4]}],
        "outputs": [known[name] for name in outputs],
    }
    golden = {"features": rows[np.arange(32) * 4]}
    answers = SkopsPredictor(estimator, ModelFile.model_validate(spec))(golden)
    tensors = {
        "inputs": {"features": golden["features"].tolist()},
        "outputs": {name: answers[name].tolist() for name in outputs},
    }
    (folder / "model.json").write_text(json.dumps(spec))
    (folder / "golden.json").write_text(json.dumps(tensors))
    url = folder.as_uri()
    return {"model": model, "version": 1, "artifact_url": url, "artifact_sha256": digest(url), "weight_percent": 100}


def loaded(release: dict[str, Any], **settings: Any) -> Any:
    """A server's app in this process, its model loaded."""
    from ml_jobs.serve.app import from_settings

    app = from_settings({"release": release, **settings}, {"name": "test"})
    app.load()
    return app


def asking(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


def request(rows: int = 1, width: int = 4, **more: Any) -> dict[str, Any]:
    """A request that the model of `make_artifact` can answer."""
    data = [[round(0.1 * (row + column), 3) for column in range(width)] for row in range(rows)]
    return {"inputs": [{"name": "features", "datatype": "FP32", "shape": [rows, width], "data": data}], **more}
