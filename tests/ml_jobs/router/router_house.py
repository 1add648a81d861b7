"""A router process, and stand-ins for model servers: real servers on loopback that say what reached them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from serving_house import House, answers, eventually, free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ml_jobs.identity import Role

INFER = "/v2/models/toy/infer"


@dataclass
class StandIn:
    """Answers every request with `label`, after `delay_s`; remembers what it was asked."""

    label: int = 0
    delay_s: float = 0
    port: int = field(default_factory=free_port)
    seen: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def route(self, version: int = 1, weight: float = 100, shadow: float = 0) -> dict[str, Any]:
        return {
            "url": self.url, "model": "toy", "version": version, "weight_percent": weight, "shadow_percent": shadow,
        }  # fmt: skip

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append({"path": request.url.path, "headers": dict(request.headers), "body": body})
        await asyncio.sleep(self.delay_s)
        output = {"name": "label", "datatype": "INT64", "shape": [1], "data": [self.label]}
        inputs = [{"name": "pixels", "datatype": "FP32", "shape": [-1, 64]}]
        return JSONResponse({"model_name": "toy", "inputs": inputs, "outputs": [output]}, headers={"x-own": "kept"})

    async def stream(self, request: Request) -> Response:
        async def chunks() -> Any:
            for number in range(50):
                yield f"{number} ".encode() * 1000

        return StreamingResponse(chunks())

    @contextmanager
    def running(self) -> Iterator[StandIn]:
        app = Starlette(
            routes=[Route("/v2/stream", self.stream), Route("/{path:path}", self.answer, methods=["GET", "POST"])]
        )
        server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="error", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            eventually("the stand-in listens", lambda: server.started)
            yield self
        finally:
            server.should_exit = True
            thread.join(10)


class RunningRouter:
    """The router's process of a house; restarted it keeps its port and its state."""

    def __init__(self, house: House, **settings: Any) -> None:
        self.house = house
        self.config = house.config("router", {"endpoint": "predict", **settings})
        self.url = f"http://127.0.0.1:{self.config.port}"
        self.admin = house.client(self.url)
        self.caller = house.client(self.url, Role.VIEWER)
        self.start()

    def start(self) -> None:
        self.process = self.house.start("ml_jobs.local.router", self.config)
        eventually("the router answers", answers(f"{self.url}/healthz"))

    def put(self, releases: dict[str, Any], **routing: Any) -> httpx.Response:
        return self.admin.put("/routes", json={"routing": routing, "releases": releases})

    def ask(self, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.caller.post(INFER, json={"inputs": []}, headers=named)
