"""The Open Inference Protocol v2 over REST, for one release."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.errors import UserError
from ml_jobs.contract import Record, Release
from ml_jobs.serve.metrics import ServerMetrics
from ml_jobs.serve.protocol import parse_request, render_response
from ml_jobs.serve.served import Loaded, Served
from ml_jobs.serve.tensors import ProtocolError

LARGE_BODY = 256 * 1024
"""Bytes from which a body is parsed off the event loop."""


class Limits(Record):
    """What one request may ask for."""

    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 4096


DEFAULT_LIMITS = Limits()


def create_app(
    release: Release, release_name: str, *, limits: Limits = DEFAULT_LIMITS, health: Mapping[str, Any] | None = None
) -> Starlette:
    """Serves at once; ready when the release's model has been verified and loaded."""
    served = Served(release, release_name)
    server = _Server(served, limits, health or {})
    model = "/v2/models/{model}"
    both = ("", "/versions/{version}")
    return Starlette(
        routes=[
            Route("/healthz", server.healthz),
            Route("/metrics", server.metrics),
            Route("/v2", server.server_metadata),
            Route("/v2/health/live", server.live),
            Route("/v2/health/ready", server.ready),
            *(Route(f"{model}{version}", server.model_metadata) for version in both),
            *(Route(f"{model}{version}/ready", server.model_ready) for version in both),
            *(Route(f"{model}{version}/infer", server.infer, methods=["POST"]) for version in both),
        ],
        exception_handlers={ProtocolError: _protocol_error, HTTPException: _http_error, Exception: _bug},
        lifespan=server.lifespan,
    )


class _Server:
    def __init__(self, served: Served, limits: Limits, health: Mapping[str, Any]) -> None:
        self.served = served
        self.limits = limits
        self.health = health
        self.model = served.release.model
        self.version = str(served.release.version)
        self.counts = ServerMetrics(served.release_name, self.model, self.version)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.served.load_in_background(self._loaded)
        yield

    def _loaded(self, served: Served) -> None:
        self.counts.ready.set(0 if served.is_failed else 1)
        if served.is_failed:
            sys.stderr.write(f"error: release {served.release_name} is not ready: {served.why}\n")

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse(dict(self.health))

    async def metrics(self, _request: Request) -> Response:
        return Response(self.counts.text(), media_type="text/plain; version=0.0.4")

    async def server_metadata(self, _request: Request) -> Response:
        from importlib.metadata import version

        return JSONResponse({"name": "skywright", "version": version("skywright"), "extensions": []})

    async def live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, _request: Request) -> Response:
        if self.served.loaded:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "failed": self.served.is_failed, "error": self._not_ready()}, 503)

    async def model_ready(self, request: Request) -> Response:
        self._check_model(request)
        name = {"name": self.model}
        if self.served.loaded:
            return JSONResponse({**name, "ready": True})
        return JSONResponse({**name, "ready": False, "error": self._not_ready()}, 503)

    async def model_metadata(self, request: Request) -> Response:
        self._check_model(request)
        loaded = self._need_loaded()
        return JSONResponse(
            {
                "name": self.model,
                "versions": [self.version],
                "platform": loaded.platform,
                "inputs": [spec.metadata() for spec in loaded.signature.inputs],
                "outputs": [spec.metadata() for spec in loaded.signature.outputs],
            }
        )

    async def infer(self, request: Request) -> Response:
        try:
            body = await self._infer(request)
        except ProtocolError as error:
            self.counts.answered(error.status)
            raise
        except Exception:
            self.counts.answered(500)
            raise
        self.counts.answered(200)
        return Response(body, media_type="application/json")

    async def _infer(self, request: Request) -> bytes:
        self._check_model(request)
        loaded = self._need_loaded()
        body = await self._body(request)
        parsed = await _offloaded(len(body), parse_request, body, loaded.signature, max_rows=self.limits.max_rows)
        outputs, seconds = await self.served.predict(parsed.inputs, parsed.rows)
        self.counts.model_seconds.observe(seconds)
        self.counts.rows.inc(parsed.rows)
        return bytes(
            await _offloaded(
                len(body), render_response, parsed, outputs, loaded.signature, model=self.model, version=self.version
            )
        )

    async def _body(self, request: Request) -> bytes:
        """The whole body, never more of it in memory than the limit."""
        headers = request.headers
        kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ProtocolError(f"content type is {kind[:60]!r}; send application/json", 415)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise ProtocolError("the body is compressed; send it as it is", 415)
        limit = self.limits.max_body_bytes
        too_large = ProtocolError(f"the body is larger than {limit} bytes; send smaller batches", 413)
        if int(headers.get("content-length", "0")) > limit:
            raise too_large
        chunks, size = [], 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
        except ClientDisconnect:
            raise ProtocolError("the caller went away", 499) from None
        return b"".join(chunks)

    def _check_model(self, request: Request) -> None:
        model, version = request.path_params["model"], request.path_params.get("version", self.version)
        if model != self.model:
            raise ProtocolError(f"model {model[:60]!r} is not served here; this release serves {self.model!r}", 404)
        if version != self.version:
            raise ProtocolError(
                f"version {version[:60]!r} of {self.model} is not served here; this release serves {self.version}", 404
            )

    def _need_loaded(self) -> Loaded:
        if self.served.loaded is None:
            raise ProtocolError(self._not_ready(), 503)
        return self.served.loaded

    def _not_ready(self) -> str:
        return f"release {self.served.release_name} is not ready: {self.served.why}"


async def _offloaded(size: int, work: Any, *args: Any, **kwargs: Any) -> Any:
    """What takes long goes to a thread, so that others' requests and the probes are answered meanwhile."""
    return await asyncio.to_thread(work, *args, **kwargs) if size > LARGE_BODY else work(*args, **kwargs)


async def _protocol_error(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, ProtocolError) else 400
    return JSONResponse({"error": str(error)}, status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = "GET /v2, /v2/health/live|ready, /v2/models/MODEL[/versions/V][/ready]; POST .../infer"
    text = f"{request.method} {request.url.path[:120]} is not there ({error.detail}); there are: {known}"
    return JSONResponse({"error": text}, error.status_code, headers=error.headers)


async def _bug(_request: Request, error: Exception) -> Response:
    """A mistake of ours or of the model: the log has the traceback, the caller one line."""
    return JSONResponse({"error": f"the model failed on this request ({type(error).__name__})"}, 500)


def from_settings(settings: Mapping[str, Any], health: Mapping[str, Any]) -> Starlette:
    """The app that a server's settings ask for: {release, release_name, max_rows?, max_body_bytes?}."""
    if "release" not in settings:
        raise UserError("settings of a model server have no 'release'", "Run `skywright up` to write them anew.")
    release = Release.read(settings["release"], where="settings.release")
    limits = Limits.read({key: settings[key] for key in Limits.model_fields if key in settings}, where="settings")
    return create_app(release, str(settings.get("release_name", release.model)), limits=limits, health=health)
