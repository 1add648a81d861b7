"""A job tried on this machine, for its author's tests: the image's own entry point, real ranks, a store in a folder.

    done = trial(JOB, tmp_path, epochs=2)
    assert done.exit_code == 0, done.log

Only the registry is not the real one: it takes every version and gives it the number 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError
from ml_jobs.contract import CONTRACT_VARIABLE, JobSpec, Release
from ml_jobs.launch import jobs
from ml_jobs.runtime.environment import JOB_VARIABLE, RUN_DIR_VARIABLE, RUN_ID_VARIABLE

TIMEOUT_S = 600.0
RUN = "trial"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it. `artifact`: the model version's folder, if one was registered, with what was `registered`."""

    exit_code: int
    log: str
    events: list[dict[str, Any]] = field(repr=False)
    artifact: Path | None
    registered: list[dict[str, Any]] = field(repr=False)

    @property
    def evaluation(self) -> dict[str, Any]:
        """The registered version's evaluation."""
        found: dict[str, Any] = json.loads((self._artifact() / "evaluation.json").read_text())
        return found

    def predict(self, **inputs: Any) -> Mapping[str, Any]:
        """Answers of the registered version to rows by input name, as its server gives them: the artifact is verified,
        loaded and held to its golden rows first. Raises SkywrightError for what a server would refuse."""
        from ml_jobs.registry.artifact import digest
        from ml_jobs.serve.served import open_release
        from ml_jobs.serve.tensors import parse_tensor

        url = self._artifact().as_uri()
        name = json.loads((self._artifact() / "model.json").read_text())["model"]
        loaded = open_release(Release(model=name, version=1, artifact_url=url, artifact_sha256=digest(url)))
        rows = {}
        for spec in loaded.signature.inputs:
            given = inputs[spec.name]
            tensor = {"datatype": spec.datatype, "shape": list(given.shape), "data": given.ravel().tolist()}
            rows[spec.name] = parse_tensor(tensor, spec, max_rows=len(given))
        return loaded.predict(rows)

    def _artifact(self) -> Path:
        if self.artifact is None:
            raise SkywrightError("the trial registered no model", f"Its log: {self.log}")
        return self.artifact


def trial(job: JobSpec, folder: Path, *, ranks: int = 1, **params: Any) -> Trial:
    """Run `job` to its end with these `params` over its own. In a `folder` that was used before, it resumes."""
    spec = jobs.adjusted(
        job, params={**job.params, **params}, resources={**job.resources.model_dump(), "count": ranks, "nodes": 1}
    )
    with registry() as (url, registered):
        env = _lay_out(spec, folder, url)
        done = subprocess.run(
            [sys.executable, "-m", "ml_jobs.entry", "train"],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    events = folder / "run" / "events.jsonl"
    artifact = folder / "artifacts" / "models" / str(spec.output) / RUN
    return Trial(
        exit_code=done.returncode,
        log=done.stdout,
        events=[json.loads(line) for line in events.read_text().splitlines()] if events.exists() else [],
        artifact=artifact if artifact.is_dir() else None,
        registered=registered,
    )


def _lay_out(spec: JobSpec, folder: Path, registry_url: str) -> dict[str, str]:
    """The run's record and store; the variables by which a process finds them, and the caller's modules."""
    store = folder.resolve().as_uri()
    token = folder / "token"
    (folder / "run").mkdir(parents=True, exist_ok=True)
    token.write_text("trial")
    contract = {
        "stack": "trial",
        "environment": "dev",
        "cloud": "local",
        "identities": dict.fromkeys(("training", "serving", "pipeline", "approver"), token.resolve().as_uri()),
        "storage": {name: f"{store}/{name}" for name in ("data", "artifacts", "checkpoints")},
        "registry": {"tracking_url": registry_url, "models_ref": registry_url},
    }
    (folder / "job.json").write_text(spec.model_dump_json(by_alias=True))
    (folder / "contract.json").write_text(json.dumps(contract))
    return {
        JOB_VARIABLE: str(folder / "job.json"),
        CONTRACT_VARIABLE: str(folder / "contract.json"),
        RUN_ID_VARIABLE: RUN,
        RUN_DIR_VARIABLE: str(folder / "run"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


class _Registry(BaseHTTPRequestHandler):
    """Takes versions; knows of nothing else, and a job does without the rest."""

    registered: list[dict[str, Any]]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        is_version = self.command == "POST" and self.path.endswith("/versions")
        if is_version:
            self.registered.append(json.loads(body))
        answer = json.dumps({"version": 1} if is_version else {"error": "a trial keeps no runs"}).encode()
        self.send_response(200 if is_version else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = _answer

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def registry() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A registry for trials: its URL, and what has been registered with it."""
    registered: list[dict[str, Any]] = []
    handler = type("Handler", (_Registry,), {"registered": registered})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", registered
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
