"""MLflow inside this process: loaded aside, so that the port answers at once, kept in step with the version logs."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.errors import SkywrightError
from ml_jobs.local.registry.store import Starting
from ml_jobs.registry.record import VersionRecord
from ml_jobs.registry.runs import EXPERIMENT, JOB_TAG, SHA_TAG, as_param

LOAD_TIMEOUT_S = 120

_REMEDY = (
    "An older database is brought up to date by `mlflow db upgrade URL`. Or move the file away: versions and "
    "approvals are rebuilt from the artifact store, other runs are not."
)

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
}


class Tracking:
    """MLflow's ASGI app and its stores over one SQLite file.

    As an ASGI app it answers as soon as MLflow is loaded; requests that come earlier wait.
    """

    def __init__(self, database: Path, uploads: Path) -> None:
        self.url = f"sqlite:///{database}"
        self.uploads = uploads
        self._app: Future[ASGIApp] = Future()
        self._client: Any = None
        self.problem: SkywrightError | None = None

    def load(self, records: Callable[[], Iterable[VersionRecord]], failed: Callable[[], None]) -> None:
        """Load MLflow in a thread, and index those of `records` that it doesn't know; `failed`: it couldn't."""

        def work() -> None:
            try:
                app = self._import()
                for record in records():
                    self.index(record)
                self._app.set_result(app)
            except Exception as error:
                reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0]
                self.problem = SkywrightError(f"the registry can't start on {self.url}: {reason}", _REMEDY)
                self._app.set_exception(self.problem)
                failed()

        threading.Thread(target=work, name="load-mlflow", daemon=True).start()

    def wait(self) -> None:
        """Until MLflow is loaded. Raises SkywrightError when it can't be, or takes too long."""
        try:
            self._app.result(timeout=LOAD_TIMEOUT_S)
        except NotYet:
            raise Starting("the registry is still starting", "Try again in a minute.") from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        import asyncio

        app = await asyncio.wrap_future(self._app)
        await app(scope, receive, send)

    def _import(self) -> ASGIApp:
        os.environ.update(_ENVIRONMENT)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="starlette.middleware.wsgi is deprecated")
        import mlflow.server.constants as names
        from mlflow.server.fastapi_app import create_fastapi_app
        from mlflow.server.handlers import initialize_backend_stores
        from mlflow.tracking import MlflowClient

        root = "mlflow-artifacts:/"
        os.environ[names.BACKEND_STORE_URI_ENV_VAR] = self.url
        os.environ[names.REGISTRY_STORE_URI_ENV_VAR] = self.url
        os.environ[names.ARTIFACT_ROOT_ENV_VAR] = root
        os.environ[names.SERVE_ARTIFACTS_ENV_VAR] = "true"
        os.environ[names.ARTIFACTS_DESTINATION_ENV_VAR] = self.uploads.as_uri()
        initialize_backend_stores(self.url, self.url, root)
        self._client = MlflowClient(tracking_uri=self.url, registry_uri=self.url)
        if self._client.get_experiment_by_name(EXPERIMENT) is None:
            self._client.create_experiment(EXPERIMENT, artifact_location=f"{root}{EXPERIMENT}")
        app: ASGIApp = create_fastapi_app()
        return app

    def ensure_run(self, record: VersionRecord) -> str:
        """The id of the run of the record's job; made, as finished, when there is none."""
        client = self._client
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        found = client.search_runs([experiment], f"tags.`{JOB_TAG}` = '{record.job}'", max_results=1)
        if found:
            return str(found[0].info.run_id)
        from mlflow.entities import Metric, Param

        run = client.create_run(
            experiment,
            start_time=int(record.created_at * 1000),
            tags={JOB_TAG: record.job, "mlflow.user": record.by},
            run_name=record.job,
        )
        at = int(record.created_at * 1000)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, value, at, 0) for key, value in record.metrics.items()],
            params=[Param(key, as_param(value)) for key, value in record.params.items()][:100],
        )
        client.set_terminated(run.info.run_id, end_time=at)
        return str(run.info.run_id)

    def index(self, record: VersionRecord) -> None:
        """Make MLflow know the version; nothing happens when it does already."""
        from mlflow.exceptions import MlflowException

        client = self._client
        try:
            client.get_registered_model(record.model)
        except MlflowException:
            client.create_registered_model(record.model)
        try:
            client.get_model_version(record.model, str(record.version))
            return
        except MlflowException:
            pass
        tags = {JOB_TAG: record.job, SHA_TAG: record.artifact_sha256}
        made = client.create_model_version(
            record.model, record.artifact_url, run_id=self.ensure_run(record), tags=tags, await_creation_for=0
        )
        if int(made.version) != record.version:
            sys.stderr.write(f"registry: MLflow calls {record.model} {record.version} version {made.version}\n")
