"""The servers that are compared: how each is started with the same model, asked, and understood."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load_client import request_bytes
from serving_house import answers, eventually, free_port, make_sklearn_artifact

from . import environments

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
Row = Sequence[float]


@dataclass
class Server:
    """`ask(row)` is a request's bytes, `label(body)` the answer's label."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    ready: str
    ask: Callable[[Row], bytes]
    label: Callable[[bytes], int]

    def wait(self) -> None:
        eventually(f"{self.name} is ready", answers(f"http://127.0.0.1:{self.port}{self.ready}"), 180)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        with suppress(ProcessLookupError):  # LitServe's workers outlive it
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


def open_inference(path: str) -> Callable[[Row], bytes]:
    def ask(row: Row) -> bytes:
        tensor = {"name": "features", "datatype": "FP32", "shape": [1, len(row)], "data": list(row)}
        return request_bytes(path, {"inputs": [tensor]})

    return ask


def _output(body: bytes) -> int:
    return int(json.loads(body)["outputs"][0]["data"][0])


def _instances(path: str) -> Callable[[Row], bytes]:
    return lambda row: request_bytes(path, {"instances": [list(row)]})


def started(command: Sequence[str], folder: Path, core: int, log: str, **environ: str) -> subprocess.Popen[bytes]:
    """The command on one core, which its children inherit."""
    with open(folder / f"{log}.log", "wb") as file:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdout=file,
            stderr=file,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), **environ},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,
        )


def start_all(folder: Path, core: int) -> list[Server]:
    """Each on a free port; idle but for the one that is asked."""
    release = make_sklearn_artifact(folder / "artifact")
    _peers_model(folder)
    return [_floor(folder, core), ours(folder, core, release), *(PEERS[name](folder, core) for name in PEERS)]


def ours(folder: Path, core: int, release: dict[str, Any], **settings: Any) -> Server:
    port = free_port()
    process = started(
        [sys.executable, "-m", "ml_jobs.entry", "serve"], folder, core, "ours",
        SKYWRIGHT_RELEASE=json.dumps(release), SKYWRIGHT_PORT=str(port), SKYWRIGHT_HOST="127.0.0.1",
        SKYWRIGHT_SERVE=json.dumps(settings) if settings else "",
    )  # fmt: skip
    path = f"/v2/models/{release['model']}/infer"
    return Server("skywright", process, port, "/v2/health/ready", open_inference(path), _output)


def _peers_model(folder: Path) -> None:
    """The very estimator of our artifact, as the peers read it."""
    import joblib
    from skops.io import load

    joblib.dump(load(folder / "artifact" / "model.skops"), folder / "model.joblib")


def _floor(folder: Path, core: int) -> Server:
    port = free_port()
    process = started([sys.executable, str(HERE / "floor_server.py"), str(port)], folder, core, "floor")
    return Server("floor", process, port, "/", open_inference("/v2/models/iris/infer"), lambda body: -1)


def _mlserver(folder: Path, core: int) -> Server:
    """No worker processes: on one core they only add a hop."""
    python = environments.python_of("mlserver")
    place, port = folder / "mlserver", free_port()
    place.mkdir()
    shutil.copy(folder / "model.joblib", place)
    settings = {
        "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
        "parallel_workers": 0, "debug": False,
    }  # fmt: skip
    model = {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "1"},
    }
    (place / "settings.json").write_text(json.dumps(settings))
    (place / "model-settings.json").write_text(json.dumps(model))
    process = started([str(python.parent / "mlserver"), "start", "."], place, core, "mlserver")
    ask = open_inference("/v2/models/iris/infer")
    return Server("mlserver", process, port, "/v2/health/ready", ask, _output)


def _litserve(folder: Path, core: int) -> Server:
    python, port = environments.python_of("litserve"), free_port()
    process = started([str(python), str(HERE / "litserve_server.py"), str(port)], folder, core, "litserve")
    label = lambda body: int(json.loads(body)["predictions"][0])  # noqa: E731
    return Server("litserve", process, port, "/health", _instances("/predict"), label)


def _bentoml(folder: Path, core: int) -> Server:
    python, port = environments.python_of("bentoml"), free_port()
    shutil.copy(HERE / "bentoml_service.py", folder)
    command = [
        str(python.parent / "bentoml"),
        "serve",
        "bentoml_service:Iris",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    process = started(command, folder, core, "bentoml", BENTOML_DO_NOT_TRACK="True")
    return Server("bentoml", process, port, "/readyz", _instances("/predict"), lambda body: int(json.loads(body)[0]))


PEERS = {"mlserver": _mlserver, "litserve": _litserve, "bentoml": _bentoml}
