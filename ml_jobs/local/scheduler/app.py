"""The scheduler's HTTP interface. Every error is {"error": one line} with a 4xx or 503."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.errors import SkywrightError, UserError, mistake
from ml_jobs import audit
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.identity import ANYBODY, Role
from ml_jobs.local.access import Access, Rule, health
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.scheduler.controller import Controller, Held
from ml_jobs.local.scheduler.queue import FINAL, Job, cannot_write
from ml_jobs.local.scheduler.report import Metrics, describe, slots
from ml_jobs.local.scheduler.rundir import RunDir

RULES: tuple[Rule, ...] = (
    ("GET", r"/healthz", None),
    ("GET", r"/metrics|/jobs|/jobs/[^/]+|/jobs/[^/]+/(events|logs)|/slots|/usage", ANYBODY),
    ("POST", r"/jobs|/jobs/[^/]+/stop", (Role.TRAINER, Role.ADMIN)),
    ("POST", r"/slots/[^/]+/preempt", (Role.ADMIN,)),
)

LOOK_S = 0.05
"""How often a long poll looks at a run's time line."""

MAX_BODY = 1 << 20


def build(config: ServiceConfig, controller: Controller) -> Starlette:
    """The application; its lifespan opens and closes the controller."""
    api = Api(config, controller)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        drain_at_once(controller)
        controller.open()
        yield
        await controller.close()

    routes = [
        Route("/healthz", api.healthz),
        Route("/metrics", api.metrics),
        Route("/jobs", api.answer(api.submit), methods=["POST"]),
        Route("/jobs", api.answer(api.jobs)),
        Route("/jobs/{job}", api.answer(api.job)),
        Route("/jobs/{job}/events", api.answer(api.events)),
        Route("/jobs/{job}/logs", api.answer(api.logs)),
        Route("/jobs/{job}/stop", api.answer(api.stop), methods=["POST"]),
        Route("/slots", api.answer(api.slots)),
        Route("/slots/{slot}/preempt", api.answer(api.preempt), methods=["POST"]),
        Route("/usage", api.answer(api.usage)),
    ]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Access, config=config, rules=RULES)])


def drain_at_once(controller: Controller) -> None:
    """Running jobs hear of the server's SIGTERM when it comes, not when its last request has been answered."""
    loop = asyncio.get_running_loop()
    server = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(controller.drain)
        if callable(server):
            server(number, frame)

    signal.signal(signal.SIGTERM, drain)


class Api:
    """One method a route: parse, call, answer."""

    def __init__(self, config: ServiceConfig, controller: Controller) -> None:
        self.config = config
        self.controller = controller
        self.prometheus = Metrics(controller)

    def answer(
        self, handler: Callable[[Request], Awaitable[tuple[int, Any]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A handler's (status, body) as a response, and its errors as one line each."""

        async def respond(request: Request) -> Response:
            try:
                status, body = await handler(request)
            except Held as error:
                status, body = 409, {"error": str(error)}
            except Unknown as error:
                status, body = 404, {"error": str(error)}
            except SkywrightError as error:
                status, body = 400 if isinstance(error, UserError) else 503, {"error": str(error)}
            except (OSError, sqlite3.Error) as error:
                status, body = 503, {"error": str(cannot_write(self.controller.database.parent.parent, error))}
            return JSONResponse(body, status)

        return respond

    async def healthz(self, _: Request) -> Response:
        return JSONResponse(health(self.config))

    async def metrics(self, _: Request) -> Response:
        return Response(self.prometheus.text(), media_type="text/plain; version=0.0.4")

    async def submit(self, request: Request) -> tuple[int, Any]:
        body = await _body(request)
        spec = JobSpec.read(body.get("spec"), where="spec")
        by = str(body.get("by") or request.scope["caller"].subject)
        contract = body.get("contract")
        if contract is not None:
            contract = StackContract.read(contract, where="contract").model_dump(mode="json")
        lineage = body.get("lineage") or {}
        if not isinstance(lineage, dict):
            raise mistake("lineage", lineage, "an object")
        job = self.controller.submit(spec, by=by, lineage=lineage, contract=contract, id=_run_id(body.get("id"), spec))
        self._audit(request, by, "submit a job", job.id)
        return 201, {"id": job.id}

    async def jobs(self, request: Request) -> tuple[int, Any]:
        now, limit = time.time(), int(_number(request, "limit", 100, 1, 1000))
        return 200, {"jobs": [describe(self.controller, job, now) for job in self.controller.queue.jobs(limit)]}

    async def job(self, request: Request) -> tuple[int, Any]:
        return 200, describe(self.controller, self._job(request), time.time())

    async def events(self, request: Request) -> tuple[int, Any]:
        """Events after a number; waits up to `wait_s` for one to come, unless the job is over."""
        job = self._job(request)
        run = RunDir(self.controller.runs, job.id)
        after = int(_number(request, "after", 0, 0, 1 << 40))
        deadline = time.monotonic() + _number(request, "wait_s", 0, 0, 60)
        size = -1
        while True:
            if run.size() != size:
                size = run.size()
                found, following = run.events(after)
                if found:
                    break
            over = self.controller.queue.state(job.id) in FINAL or self.controller.is_draining
            if over or time.monotonic() >= deadline:
                found, following = run.events(after)
                break
            await asyncio.sleep(LOOK_S)
        return 200, {"events": found, "next": following}

    async def logs(self, request: Request) -> tuple[int, Any]:
        job = self._job(request)
        rank = int(_number(request, "rank", 0, 0, job.spec.resources.world_size - 1))
        text, following = RunDir(self.controller.runs, job.id).log(rank, int(_number(request, "offset", 0, 0, 1 << 50)))
        return 200, {"text": text, "next": following}

    async def stop(self, request: Request) -> tuple[int, Any]:
        job, body = self._job(request), await _body(request)
        by, reason = (
            str(body.get("by") or request.scope["caller"].subject),
            str(body.get("reason") or "no reason given"),
        )
        stopped = self.controller.stop(job.id, by=by, reason=reason)
        self._audit(request, by, "stop a job", job.id)
        return 200, describe(self.controller, stopped, time.time())

    async def slots(self, _: Request) -> tuple[int, Any]:
        return 200, slots(self.controller, time.time())

    async def preempt(self, request: Request) -> tuple[int, Any]:
        slot, body = request.path_params["slot"], await _body(request)
        notice_s, away_s = _seconds(body, "notice_s", 0), _seconds(body, "away_s", 2)
        try:
            self.controller.preempt(slot, notice_s=notice_s, away_s=away_s)
        except KeyError:
            raise Unknown(
                f"there is no slot {slot!r}; there are: {', '.join(self.controller.slots.instances)}"
            ) from None
        self._audit(request, request.scope["caller"].subject, "preempt a slot", slot)
        return 200, {"slot": slot, "notice_s": notice_s, "away_s": away_s, "at": time.time()}

    async def usage(self, request: Request) -> tuple[int, Any]:
        return 200, {"intervals": self.controller.queue.usage(int(_number(request, "after", 0, 0, 1 << 60)))}

    def _job(self, request: Request) -> Job:
        name = request.path_params["job"]
        try:
            return self.controller.queue.job(name)
        except KeyError:
            raise Unknown(f"there is no job {name!r}", "`skywright runs list` shows those that there are.") from None

    def _audit(self, request: Request, by: str, what: str, target: str) -> None:
        """What was done stays done when the log can't be written; that is said on standard error."""
        try:
            role = request.scope["caller"].role.value
            audit.record(self.config.artifacts_url, who=by, role=role, what=what, target=target)
        except SkywrightError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.stderr.flush()


class Unknown(UserError):
    """No such job or slot."""


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON object; an empty body is an empty one."""
    data = await request.body()
    if len(data) > MAX_BODY:
        raise UserError(f"the request has {len(data)} bytes; allowed: {MAX_BODY}")
    try:
        body = json.loads(data or b"{}")
    except ValueError as error:
        raise UserError(f"the request's body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise UserError(f"the request's body is a {type(body).__name__}; allowed: a JSON object")
    return body


def _run_id(given: object, spec: JobSpec) -> str | None:
    """The id that a launcher chose, so that sending a job twice makes one run; None lets the scheduler choose."""
    if given is not None and not (
        isinstance(given, str) and re.fullmatch(rf"{re.escape(spec.name)}-[0-9a-f]{{8}}", given)
    ):
        raise mistake("id", given, f"{spec.name}- and eight hexadecimal digits")
    return given


def _number(request: Request, name: str, default: float, low: float, high: float) -> float:
    text = request.query_params.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise mistake(name, text, f"a number from {low:g} to {high:g}")
    return value


def _seconds(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
        raise mistake(name, value, "seconds from 0 to 86400")
    return float(value)
