"""The page that shows a whole stack: static files, and one JSON with everything on it.

The monitor mounts `routes(...)` and puts `RULES` into its access table. The files need no token, since they
hold nothing of the stack; the JSON takes any role's. The page has its token from the URL's fragment, which no browser
sends.
"""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ml_jobs.identity import ANYBODY
from ml_jobs.local.access import Rule
from ml_jobs.local.page.snapshot import Alarms, Series, Snapshot
from ml_jobs.local.process import ServiceConfig

__all__ = ["RULES", "Alarms", "Series", "routes"]

ASSETS = Path(__file__).parent / "assets"

RULES: list[Rule] = [
    ("GET|HEAD", r"/|/assets/[a-z_]+\.(js|css|svg)", None),
    ("GET", r"/api/page", ANYBODY),
]
"""What `ml_jobs.local.access.Access` lets through for this page."""

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


def routes(config: ServiceConfig, alarms: Alarms, series: Series) -> list[Route]:
    """The page's routes. `alarms()` gives alarms newest first; `series(name, since, labels)` the stored samples of
    one Prometheus name since a POSIX time whose labels contain `labels`. Both are called in a worker thread.
    """
    snapshot = Snapshot(config, alarms, series)
    files = {path.name: path for path in ASSETS.iterdir() if path.suffix in TYPES}

    async def index(request: Request) -> Response:
        return _file(files["index.html"])

    async def asset(request: Request) -> Response:
        path = files.get(request.path_params["name"])
        if path is None:
            return JSONResponse({"error": "the page has no such file"}, 404, headers=HEADERS)
        return _file(path)

    async def page(request: Request) -> Response:
        body = await snapshot.body(run=request.query_params.get("run"))
        return Response(body, media_type="application/json", headers={**HEADERS, "cache-control": "no-store"})

    return [
        Route("/", index, methods=["GET", "HEAD"]),
        Route("/assets/{name}", asset, methods=["GET", "HEAD"]),
        Route("/api/page", page, methods=["GET"]),
    ]


def _file(path: Path) -> Response:
    return FileResponse(path, media_type=TYPES[path.suffix], headers=HEADERS)
