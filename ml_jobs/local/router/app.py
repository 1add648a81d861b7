"""The router as an ASGI app: the data plane under /v2, beside it what steers and what shows."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.errors import SkywrightError, UserError, mistake
from ml_jobs import audit
from ml_jobs.identity import ANYBODY, Caller, Role, read_token
from ml_jobs.local.access import Access, Rule, health
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.router.backends import Backends
from ml_jobs.local.router.limits import Limits
from ml_jobs.local.router.metrics import RouterMetrics
from ml_jobs.local.router.proxy import Proxy
from ml_jobs.local.router.routes import Routes, RoutesFile
from ml_jobs.local.router.shadow import Shadow, ShadowLog

RULES: list[Rule] = [
    ("*", r"/v2(/.*)?", ANYBODY),
    ("GET", r"/healthz", None),
    ("GET", r"/routes|/shadow|/metrics", ANYBODY),
    ("PUT", r"/routes", {Role.ADMIN}),
]


class Router:
    """Everything that lives as long as the process."""

    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        self.endpoint = str(config.settings.get("endpoint", "predict"))
        self.file = RoutesFile(Path(config.root) / "state" / "routes.json")
        self.routes, self.note = self.file.load()
        if self.note:
            sys.stderr.write(f"error: nothing is released{self.note}\n")
        self.token = read_token(config.token_file, override=False)
        self.shadow_log = ShadowLog(Path(config.root) / "state" / "shadow.db")
        self.metrics = RouterMetrics()
        self.limits = Limits(Path(config.holds_file), self.endpoint)
        self._changing = asyncio.Lock()
        self.control = Starlette(
            routes=[
                Route("/healthz", self.healthz),
                Route("/metrics", self.show_metrics),
                Route("/routes", self.show_routes),
                Route("/routes", self.put_routes, methods=["PUT"]),
                Route("/shadow", self.show_shadow),
            ],
            exception_handlers={SkywrightError: _error, HTTPException: _http_error},
            lifespan=self.lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v2"):
            await self.proxy(scope, receive, send)
        else:
            await self.control(scope, receive, send)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        settings = self.config.settings
        self.backends = Backends(self.token, float(settings.get("timeout_s", 60)))
        self.shadow = Shadow(self.backends, self.metrics, self.shadow_log)
        self.proxy = Proxy(
            self.backends,
            self.limits,
            self.metrics,
            self.shadow,
            max_body_bytes=int(settings.get("max_body_bytes", 16 << 20)),
        )
        self._use(self.routes)
        self.shadow.start()
        sweeper = asyncio.create_task(self._sweep(), name="sweep")
        try:
            yield
        finally:
            sweeper.cancel()
            await self.shadow.stop()
            await self.backends.close()

    async def _sweep(self) -> None:
        """Close the pools of releases that have left, once nothing of theirs is in flight."""
        while True:
            await asyncio.sleep(1)
            await self.backends.close_drained()

    def _use(self, routes: Routes) -> None:
        """From here on every request finds the new routes; those in flight end on the old ones."""
        table = routes.table(self.note)
        self.backends.keep(target.url for target in table.targets.values())
        self.proxy.table = table
        self.routes = routes
        self.metrics.weights(table.weights)

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse(health(self.config))

    async def show_metrics(self, _request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def show_routes(self, _request: Request) -> Response:
        return JSONResponse(self._shown())

    def _shown(self) -> dict[str, Any]:
        in_flight, limit = self.backends.in_flight(), self.limits.current()
        return {
            "endpoint": self.endpoint,
            **self.routes.model_dump(mode="json"),
            "in_flight": {name: in_flight.get(route.url, 0) for name, route in self.routes.releases.items()},
            "draining": self.backends.draining(),
            "held": {"is_stopped": limit.is_stopped, "route_to": limit.route_to, "reason": limit.reason},
            "note": self.note.removeprefix(": "),
        }

    async def put_routes(self, request: Request) -> Response:
        routes = Routes.parse(await request.body())
        caller: Caller = request.scope["caller"]
        async with self._changing:
            if routes != self.routes or self.note:
                await asyncio.to_thread(self._keep, routes, caller)
                self.note = ""
                self._use(routes)
        return JSONResponse(self._shown())

    def _keep(self, routes: Routes, caller: Caller) -> None:
        """On disk before in use: a router killed right after comes back with what it last promised."""
        self.file.save(routes)
        audit.record(
            self.config.artifacts_url,
            who=caller.subject,
            role=caller.role.value,
            what="PUT /routes",
            target=self.endpoint,
            before=self.routes.model_dump(mode="json"),
            after=routes.model_dump(mode="json"),
        )

    async def show_shadow(self, request: Request) -> Response:
        given = request.query_params.get("limit", "100")
        if not given.isdecimal() or not 1 <= int(given) <= 10_000:
            raise mistake("limit", given, "1 to 10000")
        return JSONResponse(await self.shadow.read(int(given)))


async def _error(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400 if isinstance(error, UserError) else 503)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path[:120]} is not there ({error.detail})"
    return JSONResponse({"error": text}, error.status_code)


def build(config: ServiceConfig) -> ASGIApp:
    return Access(Router(config), config, RULES)
