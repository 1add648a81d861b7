"""The ledger's process: a thread that polls, and HTTP over what it knows."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.errors import SkywrightError, UserError, mistake
from ml_jobs.contract import explain
from ml_jobs.holds import Effect
from ml_jobs.identity import ANYBODY, Role
from ml_jobs.local.access import Access, Rule, health
from ml_jobs.local.ledger.engine import Ledger, NoSuchHold
from ml_jobs.local.ledger.settings import LedgerSettings
from ml_jobs.local.process import ServiceConfig, serve
from ml_jobs.local.telling import tell

RULES: tuple[Rule, ...] = (
    ("GET|HEAD", "/healthz", None),
    ("GET", "/metrics|/budget|/holds", ANYBODY),
    ("POST", "/holds", {Role.ADMIN}),
    ("DELETE", "/holds/[^/]+", {Role.ADMIN}),
)
_BODY_LIMIT = 16_384
_SCOPE = re.compile(r"stack|(team|endpoint):[a-z][a-z0-9-]{0,39}")


class Asked(BaseModel):
    """The body of POST /holds."""

    model_config = ConfigDict(extra="forbid")

    effect: Effect
    scope: str = "stack"
    reason: str = Field(min_length=1, max_length=500)
    by: str | None = Field(None, min_length=1, max_length=100)
    target: str | None = Field(None, min_length=1, max_length=100)


class Gauges(Collector):
    """The budget as Prometheus metrics."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterable[Metric]:
        budget = self._ledger.budget()
        yield GaugeMetricFamily("skywright_spend_usd", "spent in this period", value=budget["spent_usd"])
        yield GaugeMetricFamily("skywright_spend_ratio", "spent of the limit", value=budget["spent_ratio"])
        yield GaugeMetricFamily("skywright_spend_forecast_usd", "the whole period's", value=budget["forecast_usd"])
        steps = GaugeMetricFamily("skywright_budget_step", "1 when reached", labels=["percent", "effect"])
        for step in budget["steps"]:
            steps.add_metric([f"{step['percent']:g}", step["effect"]], float(step["reached_at"] is not None))
        yield steps
        holds = GaugeMetricFamily("skywright_holds", "holds that stand", labels=["effect"])
        for effect in Effect:
            holds.add_metric([effect.value], sum(hold["effect"] == effect.value for hold in budget["holds"]))
        yield holds
        sources = GaugeMetricFamily("skywright_ledger_source_up", "1 when it answers", labels=["source"])
        for name, source in budget["sources"].items():
            sources.add_metric([name], float(source["state"] == "ok"))
        yield sources


def build(config: ServiceConfig, ledger: Ledger) -> Starlette:
    """The ASGI app; its lifespan runs the polling thread."""
    registry = CollectorRegistry()
    registry.register(Gauges(ledger))
    stop = threading.Event()

    def poll() -> None:
        while True:
            ledger.poll()
            if stop.wait(ledger.settings.poll_s):
                return

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        thread = threading.Thread(target=poll, name="poll", daemon=True)
        thread.start()
        yield
        stop.set()
        thread.join(10)
        ledger.close()

    async def healthz(_: Request) -> Response:
        return JSONResponse(health(config))

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def budget(_: Request) -> Response:
        return JSONResponse(ledger.budget())

    async def holds(_: Request) -> Response:
        return JSONResponse(ledger.holds())

    async def set_hold(request: Request) -> Response:
        asked = _asked(await _body(request))
        caller = request.scope["caller"]
        hold = ledger.set_hold(
            asked.effect, scope=asked.scope, reason=asked.reason, by=asked.by or caller.subject, target=asked.target,
            caller=caller,
        )  # fmt: skip
        return JSONResponse(hold.model_dump(mode="json"), 201)

    async def lift_hold(request: Request) -> Response:
        reason = request.query_params.get("reason", "").strip()
        if not reason:
            raise mistake("reason", reason, "a sentence", "Lifting a hold is audited: say why.")
        caller = request.scope["caller"]
        by = request.query_params.get("by") or caller.subject
        hold = ledger.lift_hold(request.path_params["id"], reason=reason[:500], by=by[:100], caller=caller)
        return JSONResponse(hold.model_dump(mode="json"))

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", metrics),
            Route("/budget", budget),
            Route("/holds", holds),
            Route("/holds", set_hold, methods=["POST"]),
            Route("/holds/{id}", lift_hold, methods=["DELETE"]),
        ],
        middleware=[Middleware(Access, config=config, rules=RULES)],
        exception_handlers={SkywrightError: _refuse, sqlite3.Error: _storage},
        lifespan=lifespan,
    )


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _BODY_LIMIT:
            raise UserError(f"the request has more than {_BODY_LIMIT} bytes", "A hold is a few lines of JSON.")
    return body


def _asked(body: bytes) -> Asked:
    try:
        asked = Asked.model_validate_json(body)
    except ValidationError as error:
        raise UserError(explain(error, "hold")) from None
    if not _SCOPE.fullmatch(asked.scope):
        raise mistake("hold.scope", asked.scope, "stack, team:NAME, endpoint:NAME")
    if asked.by and asked.by.startswith("budget:"):
        raise mistake("hold.by", asked.by, "a person or a program; budget: is the ladder's own")
    if (asked.effect is Effect.ROUTE_TO) != (asked.target is not None):
        raise mistake("hold.target", asked.target, "a release's name for route_to, nothing for the other effects")
    return asked


async def _refuse(_: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, NoSuchHold) else 400 if isinstance(error, UserError) else 503
    return JSONResponse({"error": str(error)}, status)


async def _storage(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"the ledger can't write: {error}. Free the disk or mend its rights."}, 503)


def start(config: ServiceConfig) -> None:
    settings: Any = LedgerSettings.read(config.settings, where=f"{config.name}: settings")
    ledger = Ledger(config, settings)
    tell(f"ledger: limit ${settings.monthly_limit_usd:g} a month, {len(settings.steps)} steps")
    serve(config, build(config, ledger))
