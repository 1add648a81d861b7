"""The Open Inference Protocol v2 over REST, for one release, with the dialect of the platform that it runs on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.types import Receive, Scope, Send

from catalog.errors import UserError
from ml_jobs.contract import Release
from ml_jobs.serve.batching import Batcher
from ml_jobs.serve.capture import Capture, CaptureSettings
from ml_jobs.serve.dialects import OPEN_INFERENCE, Dialect, dialect
from ml_jobs.serve.forms import Asked, Forms
from ml_jobs.serve.limits import DEFAULT_LIMITS, Limits, Refused
from ml_jobs.serve.metrics import ServerMetrics
from ml_jobs.serve.served import Loaded, Served
from ml_jobs.serve.tensors import ProtocolError
from ml_jobs.serve.wire import Headers, Reply, error_reply, json_reply, read_body, send_reply, stated_bytes

LARGE_BODY = 256 * 1024
"""Bytes from which a body is parsed off the event loop."""


Reader = Callable[[Forms], Callable[[bytes, Headers], Asked]]
Show = Callable[[], Reply]

log = logging.getLogger("uvicorn.error")


class App:
    """An ASGI app that serves at once, and is ready when the release's model has been verified, loaded and warmed."""

    def __init__(
        self,
        served: Served,
        *,
        limits: Limits = DEFAULT_LIMITS,
        health: Mapping[str, Any] | None = None,
        dialect: Dialect | None = None,
        capture: CaptureSettings | None = None,
    ) -> None:
        self.served = served
        self.limits = limits
        self.model = served.release.model
        self.version = str(served.release.version)
        self.counts = ServerMetrics(served.release_name, self.model, self.version)
        identity = {"release": served.release_name, "model": self.model, "version": self.version}
        self.capture = Capture(capture, identity, self.counts.captured) if capture else None
        self.is_draining = False
        self._forms: Forms | None = None
        self._batcher: Batcher | None = None
        self._worker = ThreadPoolExecutor(1, "model")
        self._pending_bytes = 0
        self._health = dict(health or {})
        self._shows, self._predicts = self._routes(dialect or Dialect())

    def _routes(self, dialect: Dialect) -> tuple[dict[str, Show], dict[str, Reader]]:
        """Every path that is there: model and version are known, so none needs a pattern."""
        model = f"/v2/models/{self.model}"
        shows: dict[str, Show] = {
            "/healthz": lambda: json_reply(self._health),
            "/metrics": lambda: Reply(200, self.counts.text(), b"text/plain; version=0.0.4"),
            "/v2": _server_metadata,
            "/v2/health/live": _live,
            "/v2/health/ready": self._ready,
        }
        predicts: dict[str, Reader] = {}
        for path in (model, f"{model}/versions/{self.version}"):
            shows |= {path: self._metadata, f"{path}/ready": self._model_ready}
            predicts[f"{path}/infer"] = lambda forms: forms.open_inference
        if dialect.live:
            shows[dialect.live] = _live
        if dialect.ready:
            shows[dialect.ready] = self._ready
        if dialect.predict:
            predicts[dialect.predict] = lambda forms: forms.any_json_or_csv if dialect.has_csv else forms.any_json
        return shows, predicts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        reader = self._predicts.get(path)
        if reader is not None and method == "POST":
            await send_reply(send, await self._predict(reader, dict(scope["headers"]), receive))
            return
        show = self._shows.get(path)
        try:
            reply = show() if show is not None and method in ("GET", "HEAD") else self._not_there(path, method)
        except ProtocolError as error:
            reply = error_reply(error)
        await send_reply(send, reply)

    async def _predict(self, reader: Reader, headers: Headers, receive: Receive) -> Reply:
        began = time.perf_counter()
        self.counts.in_flight += 1
        try:
            reply = await self._answer(reader, headers, receive, began)
        except ProtocolError as error:
            if isinstance(error, Refused):
                self.counts.rejected[error.status] += 1
            reply = error_reply(error)
        except Exception as error:  # a mistake of ours or of the model: the log has the traceback, the caller one line
            log.exception("the model failed on a request")
            reply = json_reply({"error": f"the model failed on this request ({type(error).__name__})"}, 500)
        self.counts.in_flight -= 1
        self.counts.answered(reply.status, time.perf_counter() - began)
        return reply

    async def _answer(self, reader: Reader, headers: Headers, receive: Receive, began: float) -> Reply:
        forms, batcher = self._forms, self._batcher
        if forms is None or batcher is None:
            raise Refused(self._not_ready(), 503)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ProtocolError("the body is compressed; send it as it is", 415)
        stated = stated_bytes(headers, self.limits)
        if self._pending_bytes + stated > self.limits.max_pending_bytes:
            raise Refused(f"{self._pending_bytes} bytes of requests are pending already; try again later", 429)
        self._pending_bytes += stated
        try:
            body = await read_body(receive, stated, self.limits)
            asked = await _offloaded(len(body), reader(forms), body, headers)
            answer = await batcher.answer(asked.request.inputs, asked.request.rows)
            if self.capture:
                self.capture.offer(asked.request, answer.outputs, time.perf_counter() - began)
            reply: Reply = await _offloaded(len(body), asked.reply, answer.outputs)
            return reply
        finally:
            self._pending_bytes -= stated

    def _ready(self) -> Reply:
        if self._is_ready:
            return json_reply({"ready": True})
        return json_reply({"ready": False, "failed": self.served.is_failed, "error": self._not_ready()}, 503)

    def _model_ready(self) -> Reply:
        if self._is_ready:
            return json_reply({"name": self.model, "ready": True})
        return json_reply({"name": self.model, "ready": False, "error": self._not_ready()}, 503)

    def _metadata(self) -> Reply:
        loaded = self.served.loaded
        if loaded is None:
            raise Refused(self._not_ready(), 503)
        return json_reply(
            {
                "name": self.model,
                "versions": [self.version],
                "platform": loaded.platform,
                "inputs": [spec.metadata() for spec in loaded.signature.inputs],
                "outputs": [spec.metadata() for spec in loaded.signature.outputs],
            }
        )

    def _not_there(self, path: str, method: str) -> Reply:
        """404 with what is served here, or 405 with the method that the path takes."""
        allowed = "GET" if path in self._shows else "POST" if path in self._predicts else None
        if allowed is None:
            self._check_model(path)
        status, detail = (405, "Method Not Allowed") if allowed else (404, "Not Found")
        known = "GET /v2, /v2/health/live|ready, /v2/models/MODEL[/versions/V][/ready]; POST .../infer"
        reply = json_reply({"error": f"{method} {path[:120]} is not there ({detail}); there are: {known}"}, status)
        return reply._replace(headers=((b"allow", allowed.encode()),)) if allowed else reply

    def _check_model(self, path: str) -> None:
        parts = path.split("/")
        if parts[1:3] != ["v2", "models"] or len(parts) < 4:
            return
        if parts[3] != self.model:
            raise ProtocolError(f"model {parts[3][:60]!r} is not served here; this release serves {self.model!r}", 404)
        if parts[4:5] == ["versions"] and len(parts) > 5 and parts[5] != self.version:
            raise ProtocolError(
                f"version {parts[5][:60]!r} of {self.model} is not served here; this release serves {self.version}", 404
            )

    @property
    def _is_ready(self) -> bool:
        return self._batcher is not None and not self.is_draining

    def _not_ready(self) -> str:
        why = "it is draining, and ends when all is answered" if self.is_draining else self.served.why
        return f"release {self.served.release_name} is not ready: {why}"

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._drain_at(signal.SIGTERM)
        threading.Thread(target=self.load, name="load", daemon=True).start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self.capture:
            await asyncio.to_thread(self.capture.close)
        await send({"type": "lifespan.shutdown.complete"})

    def load(self) -> None:
        """Be ready, or say why not; takes long. Meanwhile the process answers that it lives."""
        served = self.served
        served.load()
        if served.loaded and self.capture:
            try:
                self.capture.start(served.loaded.signature)
            except UserError as error:
                served.fail(str(error))
        if served.loaded is None:
            sys.stderr.write(f"error: release {served.release_name} is not ready: {served.why}\n")
            return
        gc.collect()
        gc.freeze()  # what lives as long as the process: a full collection would hold up requests for tens of ms
        self._use(served.loaded)

    def _use(self, loaded: Loaded) -> None:
        self._forms = Forms(loaded.signature, self.model, self.version, self.limits.max_rows)
        batcher = Batcher(
            loaded.predict,
            loaded.cost,
            self._worker,
            self.limits,
            is_batchable=loaded.signature.is_batchable,
            observe=self.counts.called,
        )
        self.counts.waiting = lambda: batcher.waiting
        self._batcher = batcher
        self.counts.is_ready = not self.is_draining

    def _drain_at(self, sig: signal.Signals) -> None:
        """Say that we are not ready as soon as the server stops accepting, which it does at the same signal."""
        with contextlib.suppress(ValueError):  # not in the main thread: then no signal ends us
            if threading.current_thread() is threading.main_thread():
                stop = signal.getsignal(sig)

                def drain(number: int, frame: Any) -> None:
                    self.drain()
                    if callable(stop):
                        stop(number, frame)

                signal.signal(sig, drain)

    def drain(self) -> None:
        """From here on not ready: who routes sends nothing more, and the server ends its connections.

        What still arrives on one that is open is answered. It was sent before its sender could know.
        """
        self.is_draining = True
        self.counts.is_ready = False


async def _offloaded(size: int, work: Callable[..., Any], *args: Any) -> Any:
    """What takes long goes to a thread, so that others' requests and the probes are answered meanwhile."""
    return await asyncio.to_thread(work, *args) if size > LARGE_BODY else work(*args)


def _live() -> Reply:
    return json_reply({"live": True})


def _server_metadata() -> Reply:
    from importlib.metadata import version

    return json_reply({"name": "skywright", "version": version("skywright"), "extensions": ["binary_tensor_data"]})


def from_settings(settings: Mapping[str, Any], health: Mapping[str, Any]) -> App:
    """The app that a server's settings ask for: {release, release_name?, protocol?, routes?, mounted?, approver_key?,
    capture?}, and any of Limits."""
    if "release" not in settings:
        raise UserError("settings of a model server have no 'release'", "Run `skywright up` to write them anew.")
    release = Release.read(settings["release"], where="settings.release")
    limits = Limits.read({key: settings[key] for key in Limits.model_fields if key in settings}, where="settings")
    capture = settings.get("capture")
    return App(
        Served(
            release,
            str(settings.get("release_name", release.model)),
            settings.get("mounted"),
            settings.get("approver_key"),
        ),
        limits=limits,
        health=health,
        dialect=dialect(str(settings.get("protocol", OPEN_INFERENCE)), settings.get("routes", {})),
        capture=CaptureSettings.read(capture, where="settings.capture") if capture else None,
    )
