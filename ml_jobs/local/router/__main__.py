"""The router's process: `python -m ml_jobs.local.router CONFIG.json`."""

from __future__ import annotations

from ml_jobs.local import process


def start(config: process.ServiceConfig) -> None:
    from ml_jobs.local.router.app import build

    process.serve(config, build(config))


if __name__ == "__main__":
    process.main(start)
