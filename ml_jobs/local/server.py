"""The process of one release's model server: `python -m ml_jobs.local.server CONFIG.json`."""

from __future__ import annotations

from pathlib import Path

from starlette.types import ASGIApp

from ml_jobs.identity import ANYBODY, Role
from ml_jobs.local import process
from ml_jobs.local.access import Access, Rule, health
from ml_jobs.serve.app import from_settings

RULES: list[Rule] = [
    ("GET", r"/healthz|/v2/health/(live|ready)", None),
    ("POST", r"/v2/models/.+/infer", {Role.SERVER, Role.ADMIN}),
    ("*", r"/v2(/.*)?|/metrics", ANYBODY),
]
"""Only the router, and an admin, ask a model: everybody else goes through the router."""


def build(config: process.ServiceConfig) -> ASGIApp:
    """Approvals are verified with the stack's own key, where it has one."""
    key = Path(config.root) / "identity" / "approver.pub"
    own = {"approver_key": str(key)} if key.is_file() else {}
    return Access(from_settings({**own, **config.settings}, health(config)), config, RULES)


def start(config: process.ServiceConfig) -> None:
    process.serve(config, build(config))


if __name__ == "__main__":
    process.main(start)
