"""A model server in a container: `python -m ml_jobs.serve.main`, told by its environment alone."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping

from catalog.errors import SkywrightError
from ml_jobs.serve.app import from_settings
from ml_jobs.serve.environment import settings

DRAIN_S = 25
"""Platforms kill 30 s after SIGTERM."""

KEEP_ALIVE_S = 620
"""Longer than load balancers keep idle connections (Google's 600 s), so that no request meets one that closes."""


def serve(environ: Mapping[str, str]) -> None:
    """Answer until SIGTERM, finish what is in flight, then end with 0. Raises UserError for settings that are wrong."""
    import uvicorn

    given, port = settings(environ)
    app = from_settings(given, {"name": given["release_name"], "pid": os.getpid()})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again once it has drained
    uvicorn.run(
        app,
        host=environ.get("SKYWRIGHT_HOST", "0.0.0.0"),
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        lifespan="on",
    )


def main() -> None:
    """A mistake is one line on stderr."""
    try:
        serve(os.environ)
    except SkywrightError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
