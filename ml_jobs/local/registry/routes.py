"""Our routes beside MLflow's: parse, call the store, answer. Errors are one line of JSON."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from catalog.errors import SkywrightError, UserError, mistake
from ml_jobs.contract import Release
from ml_jobs.identity import Refused
from ml_jobs.local.access import health
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.registry.store import Conflict, Registration, Starting, Store
from ml_jobs.registry.approval import Approval
from ml_jobs.registry.record import Damaged, Unknown

MAX_BODY_BYTES = 1 << 20

_STATUS: tuple[tuple[type[SkywrightError], int], ...] = (
    (Unknown, 404),
    (Conflict, 409),
    (Damaged, 409),
    (Refused, 403),
    (UserError, 400),
    (Starting, 503),
    (SkywrightError, 507),
)


def routes(config: ServiceConfig, store: Store, mlflow: ASGIApp) -> list[Route | Mount]:
    """All routes of the registry, MLflow's last."""

    async def healthz(_: Request) -> Response:
        return JSONResponse(health(config))

    async def models(_: Request) -> Response:
        return await _answer(store.models)

    async def version(request: Request) -> Response:
        model, number = request.path_params["model"], request.path_params["version"]
        return await _answer(lambda: store.record(model, _number(number)))

    async def register(request: Request) -> Response:
        body = await _body(request)
        model = request.path_params["model"]
        return await _answer(lambda: store.register(model, Registration.read(body()), request.scope["caller"]), 201)

    async def approvals(request: Request) -> Response:
        return await _answer(lambda: store.approvals(request.path_params["model"]))

    async def decide(request: Request) -> Response:
        body = await _body(request)

        def work() -> dict[str, Any]:
            data = body()
            if not isinstance(data.get("approval"), dict):
                raise mistake("approval", data.get("approval"), "a record, beside its signature")
            unsigned = set(data["approval"]) - set(Approval.model_fields)
            if unsigned:
                raise mistake("approval", sorted(unsigned), f"the fields {', '.join(Approval.model_fields)}")
            approval = Approval.read(data["approval"], where="approval")
            return store.decide(approval, str(data.get("signature", "")), request.scope["caller"])

        return await _answer(work, 201)

    async def verify(request: Request) -> Response:
        body = await _body(request)

        def work() -> list[str]:
            data = body()
            release = Release.read(data.get("release"), where="release")
            requires = data.get("requires_approval", True)
            if not isinstance(requires, bool):
                raise mistake("requires_approval", requires, "true or false")
            return store.verify(release, requires_approval=requires, caller=request.scope["caller"])

        def shown(found: list[str]) -> Response:
            if not found:
                return JSONResponse({"ok": True})
            return JSONResponse({"error": "; ".join(found), "mismatches": found}, 409)

        return await _answer(work, render=shown)

    async def metrics(_: Request) -> Response:
        return Response(await run_in_threadpool(_metrics, store), media_type="text/plain; version=0.0.4")

    return [
        Route("/healthz", healthz),
        Route("/metrics", metrics),
        Route("/api/skywright/models", models),
        Route("/api/skywright/models/{model}/versions", register, methods=["POST"]),
        Route("/api/skywright/models/{model}/versions/{version}", version),
        Route("/api/skywright/approvals", decide, methods=["POST"]),
        Route("/api/skywright/approvals/{model}", approvals),
        Route("/api/skywright/verify", verify, methods=["POST"]),
        Mount("/", mlflow),
    ]


async def _answer(
    work: Callable[[], Any], status: int = 200, *, render: Callable[[Any], Response] | None = None
) -> Response:
    try:
        result = await run_in_threadpool(work)
        return render(result) if render else JSONResponse(result, status)
    except SkywrightError as error:
        code = next(code for kind, code in _STATUS if isinstance(error, kind))
        return JSONResponse({"error": str(error)}, code)
    except (OSError, sqlite3.Error) as error:
        return JSONResponse({"error": f"the registry can't write: {error}. Free the disk or mend its rights."}, 507)
    except Exception as error:  # MLflow's stores raise their own kinds when the disk is full or read-only
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        sys.stderr.write(f"registry: {type(error).__name__}: {reason}\n")
        return JSONResponse({"error": f"the registry failed: {reason}"}, 500)


async def _body(request: Request) -> Callable[[], dict[str, Any]]:
    """The request's JSON object, given (or refused) when called."""
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY_BYTES:
            break

    def parsed() -> dict[str, Any]:
        if len(raw) > MAX_BODY_BYTES:
            raise UserError(f"the request's body is larger than {MAX_BODY_BYTES} bytes")
        try:
            data = json.loads(raw)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise UserError("the request's body is not a JSON object")
        return data

    return parsed


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise mistake("version", text, "a version's number, 1 or more")
    return int(text)


def _metrics(store: Store) -> bytes:
    registry = CollectorRegistry()
    gauge = Gauge("skywright_model_versions", "Registered versions", ["model", "state"], registry=registry)
    try:
        for model in store.models():
            for state in ("pending", "approved", "rejected"):
                count = sum(1 for version in model["versions"] if version["state"] == state)
                gauge.labels(model["name"], state).set(count)
    except SkywrightError as error:
        sys.stderr.write(f"registry: {error}\n")
    return generate_latest(registry)
