"""`python -m ml_jobs.local.scheduler CONFIG.json`"""

from __future__ import annotations

import socket

from catalog.errors import SkywrightError
from ml_jobs.local import process
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.scheduler.app import build
from ml_jobs.local.scheduler.controller import Controller
from ml_jobs.local.scheduler.settings import SchedulerSettings


def start(config: ServiceConfig) -> None:
    settings = SchedulerSettings.read(config.settings, where=f"{config.name}.settings")
    require_free(config.host, config.port)
    process.serve(config, build(config, Controller(config, settings)), drain_s=3)


def require_free(host: str, port: int) -> None:
    """Raise SkywrightError when the port is taken: before the agent is started, which comes before the server binds."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SkywrightError(
                f"port {port} on {host} can't be used: {error.strerror}",
                "End what listens there, or set another port in the stack and bring it up.",
            ) from None


if __name__ == "__main__":
    process.main(start)
