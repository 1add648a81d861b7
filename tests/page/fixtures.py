"""The page's server before make-believe peers, each on a free port of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ml_jobs import audit
from ml_jobs.identity import Role, mint, new_key
from ml_jobs.local import page
from ml_jobs.local.access import Access, health
from ml_jobs.local.process import ServiceConfig
from tests.page.world import World


@dataclass
class Stack:
    """A served page: its address, the viewer's token, and the world behind it."""

    url: str
    token: str
    world: World
    config: ServiceConfig

    @property
    def opened(self) -> str:
        return f"{self.url}/#token={self.token}"


def peers(world: World) -> Starlette:
    """All peers in one app, told apart by the first part of the path."""

    def answer(request: Request) -> Response:
        peer, rest = request.path_params["peer"], "/" + request.path_params["rest"]
        world.asked.append(f"{peer}{rest}")
        if peer in world.away:
            return JSONResponse({"error": "away"}, 503)
        if not request.headers.get("authorization", "").startswith("Bearer ey"):
            return JSONResponse({"error": "no token"}, 401)
        match [peer, *rest.strip("/").split("/")]:
            case ["scheduler", "jobs"]:
                return JSONResponse(world.jobs)
            case ["scheduler", "jobs", run]:
                found = [job for job in world.jobs if job["id"] == run]
                return JSONResponse(found[0] if found else {"error": "unknown"}, 200 if found else 404)
            case ["scheduler", "jobs", run, "events"]:
                after = int(request.query_params["after"])
                events = [{"seq": n, **event} for n, event in enumerate(world.events.get(run, []), 1)]
                return JSONResponse({"events": events[after:], "next": len(events)})
            case ["scheduler", "slots"]:
                return JSONResponse({"now": time.time(), "slots": world.slots, "queue": world.queue})
            case ["registry", "api", "skywright", "models"]:
                found = world.versions.items()
                return JSONResponse([{"name": name, "versions": [brief(v) for v in vs]} for name, vs in found])
            case ["registry", "api", "skywright", "models", model, "versions", number]:
                return JSONResponse(next(v for v in world.versions[model] if v["version"] == int(number)))
            case ["router", "routes"]:
                return JSONResponse({"endpoint": "digits", "releases": world.releases, "held": world.held, "note": ""})
            case ["router", "shadow"]:
                return JSONResponse({"releases": world.shadow, "records": []})
            case ["ledger", "budget"]:
                return JSONResponse(world.budget)
        return JSONResponse({"error": "unknown"}, 404)

    return Starlette(routes=[Route("/{peer}/{rest:path}", answer)])


def brief(record: dict[str, Any]) -> dict[str, Any]:
    """A version as the registry lists it."""
    return {key: value for key, value in record.items() if key != "lineage"}


@contextlib.contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The app's address, while the block runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@contextlib.contextmanager
def stack(folder: Path, world: World, *, entries: int = 12) -> Iterator[Stack]:
    """The page over `world`, with an audit log of some entries."""
    private, public = new_key()
    (folder / "issuer.pub").write_bytes(public)
    token = mint(private, Role.VIEWER, stack="local")
    (folder / "viewer.token").write_text(token)
    artifacts = f"file://{folder}/artifacts"
    with served(peers(world)) as base:
        names = ("scheduler", "registry", "router", "ledger")
        config = ServiceConfig(
            name="monitor", stack="local", environment="dev", root=str(folder), port=1,
            issuer_key=str(folder / "issuer.pub"), token_file=str(folder / "viewer.token"), artifacts_url=artifacts,
            holds_file=str(folder / "holds.jsonl"), peers={name: f"{base}/{name}" for name in names},
        )  # fmt: skip
        record_some(artifacts, entries)
        app = Starlette(
            routes=[
                Route("/healthz", lambda _: JSONResponse(health(config))),
                *page.routes(config, lambda: world.alarms, world.series),
            ],
            middleware=[Middleware(Access, config=config, rules=[("GET", "/healthz", None), *page.RULES])],
        )
        with served(app) as url:
            yield Stack(url, token, world, config)


def record_some(artifacts: str, count: int) -> None:
    """Audit entries of a usual day, oldest first."""
    usual = [
        ("ada", "trainer", "POST /jobs", "digits-3f9a2c1d", "done"),
        ("ada", "trainer", "model registered", "digits v1", "done"),
        ("grace", "approver", "model approved", "digits v1", "done"),
        ("viewer", "viewer", "POST /slots/spot-0/preempt", "scheduler", "refused"),
        ("ada", "admin", "release", "stable: digits v1 at 100 %", "done"),
        ("fin", "admin", "hold block_new on team:vision", "5d0c11aa", "done"),
    ]
    for number in range(count):
        who, role, what, target, outcome = usual[number % len(usual)]
        audit.record(artifacts, who=who, role=role, what=what, target=target, outcome=outcome)
