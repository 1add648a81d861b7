"""A job's run in the tracking server, over MLflow's REST API: made once a job, logged to in batches, ended.

No MLflow is imported here: a job needs four requests of it, and the import takes seconds.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ml_jobs.registry.transport import Away, Transport

EXPERIMENT = "skywright"
JOB_TAG = "skywright.job"
SHA_TAG = "skywright.artifact_sha256"

_API = "/api/2.0/mlflow"
_MAX_METRICS, _MAX_PARAMS, _MAX_VALUE = 1000, 100, 6000

Point = tuple[str, float, int, float]
"""(metric, value, step, Unix time in s)."""


class Runs:
    """Life of a run. Calls that are sent again after a lost answer do no harm."""

    def __init__(self, transport: Transport) -> None:
        self._http = transport
        self._experiment: str | None = None

    def create_run(self, job: str, params: Mapping[str, Any], tags: Mapping[str, str] | None = None) -> str:
        """The id of the job's run; the same one each time that a job asks, so that a resumed job goes on in it."""
        if found := self.find(job):
            self._post("runs/update", {"run_id": found, "status": "RUNNING"})
            return found
        labels = {**(tags or {}), JOB_TAG: job}
        body = {
            "experiment_id": self.experiment(),
            "run_name": job,
            "start_time": _ms(time.time()),
            "tags": [{"key": key, "value": str(value)[:_MAX_VALUE]} for key, value in labels.items()],
        }
        try:
            made = self._http.send("POST", f"{_API}/runs/create", body, repeat=False)
            run_id = str(made["run"]["info"]["run_id"])
        except Away:  # it may have been made, and only the answer lost
            run_id = self.find(job) or str(self._post("runs/create", body)["run"]["info"]["run_id"])
        pairs = [{"key": key, "value": as_param(value)} for key, value in params.items()]
        for start in range(0, len(pairs), _MAX_PARAMS):
            self._post("runs/log-batch", {"run_id": run_id, "params": pairs[start : start + _MAX_PARAMS]})
        return run_id

    def find(self, job: str) -> str | None:
        """The id of the job's run, if it has one."""
        quoted = job.replace("'", "")
        answer = self._post(
            "runs/search",
            {
                "experiment_ids": [self.experiment()],
                "filter": f"tags.`{JOB_TAG}` = '{quoted}'",
                "max_results": 1,
                "order_by": ["attributes.start_time ASC"],
            },
        )
        runs = answer.get("runs", [])
        return str(runs[0]["info"]["run_id"]) if runs else None

    def log_batch(self, run_id: str, points: Sequence[Point]) -> None:
        """Metrics of many steps at once; values that aren't finite are left out."""
        body = [
            {"key": key, "value": float(value), "step": int(step), "timestamp": _ms(at)}
            for key, value, step, at in points
            if math.isfinite(value)
        ]
        for start in range(0, len(body), _MAX_METRICS):
            self._post("runs/log-batch", {"run_id": run_id, "metrics": body[start : start + _MAX_METRICS]})

    def finish(self, run_id: str, status: Literal["FINISHED", "FAILED", "KILLED"] = "FINISHED") -> None:
        self._post("runs/update", {"run_id": run_id, "status": status, "end_time": _ms(time.time())})

    def experiment(self) -> str:
        """The id of the stack's experiment, which the registry makes when it starts."""
        if self._experiment is None:
            path = f"{_API}/experiments/get-by-name?experiment_name={EXPERIMENT}"
            self._experiment = str(self._http.send("GET", path)["experiment"]["experiment_id"])
        return self._experiment

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.send("POST", f"{_API}/{path}", body)
        return answer


def as_param(value: Any) -> str:
    """A parameter as MLflow stores it: text."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[:_MAX_VALUE]


def _ms(at: float) -> int:
    return int(at * 1000)
