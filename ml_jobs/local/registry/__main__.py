"""`python -m ml_jobs.local.registry CONFIG.json`.

Settings: `approver_key` (the public key, as PEM or as its file's path; default ROOT/identity/approver.pub) and
`requires_second_person`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from catalog.errors import UserError
from ml_jobs.local import process
from ml_jobs.local.access import Access
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.registry import database
from ml_jobs.local.registry.routes import routes
from ml_jobs.local.registry.rules import RULES
from ml_jobs.local.registry.store import Store
from ml_jobs.local.registry.tracking import Tracking

UPLOADS = "mlflow"
"""Where MLflow's own clients put files, below the artifact store."""


def start(config: ServiceConfig) -> None:
    """Serve until SIGTERM. The port answers within seconds; what needs MLflow waits until it is loaded."""
    artifacts = Path(config.artifacts_url.removeprefix("file://"))
    file = Path(config.root) / "state" / "registry.db"
    database.prepare(file)
    tracking = Tracking(file, artifacts / UPLOADS)
    store = Store(
        artifacts,
        tracking,
        approver_key=_approver_key(config),
        requires_second_person=bool(config.settings.get("requires_second_person", False)),
    )
    app = Starlette(routes=routes(config, store, tracking), middleware=[Middleware(Access, config=config, rules=RULES)])
    tracking.load(lambda: list(store.versions), failed=lambda: os.kill(os.getpid(), signal.SIGTERM))
    try:
        process.serve(config, app)
    finally:
        if tracking.problem:
            raise tracking.problem


def _approver_key(config: ServiceConfig) -> bytes:
    given = str(config.settings.get("approver_key") or Path(config.root) / "identity" / "approver.pub")
    if given.startswith("-----BEGIN"):
        return given.encode()
    try:
        return Path(given.removeprefix("file://")).read_bytes()
    except OSError as error:
        raise UserError(
            f"the approver's public key {given} can't be read: {error.strerror}", "Run `pulumi up` to write it anew."
        ) from None


if __name__ == "__main__":
    process.main(start)
