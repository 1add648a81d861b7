"""The data plane: a request in, the chosen release's answer out. Raw ASGI, since it is on every request's way."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send

from ml_jobs.local.router.backends import Backends, Gone
from ml_jobs.local.router.limits import Limits
from ml_jobs.local.router.metrics import NOBODY, RouterMetrics
from ml_jobs.local.router.routing import NoRelease, Table, Target
from ml_jobs.local.router.shadow import Copy, Shadow

PIN = b"x-skywright-release"
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
NOT_SENT_ON = HOP_BY_HOP | {b"host", b"authorization", b"content-length", b"expect", PIN}
NOT_SENT_BACK = HOP_BY_HOP | {b"date", b"server"}
WHOLE_BYTES = 1 << 20
"""Answers up to this size are read whole before any of it goes out: one that breaks off can be asked for again."""

ATTEMPTS = 3


class Refusal(Exception):
    """The router answers by itself."""

    def __init__(self, status: int, text: str, release: str = NOBODY) -> None:
        super().__init__(text)
        self.status = status
        self.release = release


@dataclass(slots=True)
class Asked:
    """A request as it is sent on."""

    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> str | None:
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None

    def version(self) -> str | None:
        """The version that the path names, as in /v2/models/digits/versions/3/infer."""
        parts = self.path.partition("?")[0].split("/")
        return parts[5] if len(parts) > 5 and parts[4] == "versions" else None

    def sent_headers(self) -> CIMultiDict[str]:
        return CIMultiDict(
            [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self.headers
                if name not in NOT_SENT_ON
            ]
        )


class Proxy:
    """`table` is replaced whole by the control plane; each request decides by the one it finds."""

    def __init__(
        self, backends: Backends, limits: Limits, metrics: RouterMetrics, shadow: Shadow, *, max_body_bytes: int
    ) -> None:
        self.table = Table({})
        self.backends = backends
        self.limits = limits
        self.metrics = metrics
        self.shadow = shadow
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        release, status = NOBODY, 500
        try:
            asked = await self._read(scope, receive)
            release, status = await self._answer(asked, send, began)
        except Refusal as refusal:
            release, status = refusal.release, refusal.status
            await _refuse(send, status, str(refusal), release)
        except NoRelease as refusal:
            status = refusal.status
            await _refuse(send, status, str(refusal), NOBODY)
        finally:
            self.metrics.answered(release, status, time.perf_counter() - began)

    async def _read(self, scope: Scope, receive: Receive) -> Asked:
        headers = scope["headers"]
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        if scope["query_string"]:
            path = f"{path}?{scope['query_string'].decode('latin-1')}"
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(499, "the caller went away")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self.max_body_bytes:
                raise Refusal(413, f"the body is larger than {self.max_body_bytes} bytes; send smaller batches")
            chunks.append(chunk)
            if not message.get("more_body"):
                return Asked(scope["method"], path, headers, chunks[0] if len(chunks) == 1 else b"".join(chunks))

    def _choose(self, asked: Asked) -> tuple[Table, Target]:
        table = self.table
        target = table.choose(
            key=asked.header(table.key_header.encode()) if table.mode == "sticky" else None,
            pin=asked.header(PIN),
            version=asked.version(),
            limit=self.limits.current(),
            is_prediction=asked.method == "POST",
        )
        return table, target

    async def _answer(self, asked: Asked, send: Send, began: float) -> tuple[str, int]:
        """Ask the release that is chosen, and once more when it went away before it answered.

        A server that drains closes idle connections, also one on which a request is just arriving. Inference changes
        nothing, so it may be sent twice; if the release has left the routes meanwhile, a release of the new routes
        answers. A release that stays away is 502: another one's answer would not be what was asked for.
        """
        table, target = self._choose(asked)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status, answer = await self._ask(target, asked, send)
                break
            except TimeoutError:
                raise _away(target, "did not answer in time", 504) from None
            except Gone:
                pass
            except aiohttp.ClientError as error:
                if attempt == ATTEMPTS:
                    raise _away(target, f"does not answer ({type(error).__name__})", 502) from None
            if self.table.targets.get(target.name) is not target:
                table, target = self._choose(asked)
        else:
            raise _away(target, "does not answer", 502)
        if table.shadows and asked.method == "POST" and answer is not None:
            self._copy(table, target, asked, status, answer, time.perf_counter() - began)
        return target.name, status

    async def _ask(self, target: Target, asked: Asked, send: Send) -> tuple[int, bytes | None]:
        """Status, and the answer when it was read whole. Raises aiohttp's errors only before anything is sent back."""
        body = asked.body or None
        with self.backends.using(target.url) as backend:
            async with backend.send(asked.method, asked.path, asked.sent_headers(), body) as response:
                headers = [(name, value) for name, value in response.raw_headers if name.lower() not in NOT_SENT_BACK]
                headers.append((PIN, target.name.encode()))
                start: dict[str, Any] = {"type": "http.response.start", "status": response.status, "headers": headers}
                if (response.content_length or WHOLE_BYTES + 1) <= WHOLE_BYTES:
                    answer = await response.read()
                    await send(start)
                    await send({"type": "http.response.body", "body": answer})
                    return response.status, answer
                await send(start)
                async for chunk in _cut_off_as_oserror(response):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                return response.status, None

    def _copy(self, table: Table, target: Target, asked: Asked, status: int, answer: bytes, seconds: float) -> None:
        if not asked.path.partition("?")[0].endswith("/infer"):
            return
        for shadow in table.copies(target.name):
            copy = Copy(target, shadow, asked.body, asked.header(b"content-type"), status, answer, seconds)
            if not self.shadow.offer(copy):
                self.metrics.dropped(shadow.name)


async def _cut_off_as_oserror(response: aiohttp.ClientResponse) -> Any:
    """The answer's chunks. One that breaks off half-way can't be asked again: the caller's connection breaks too."""
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OSError(f"the release's answer broke off: {type(error).__name__}") from None


def _away(target: Target, how: str, status: int) -> Refusal:
    name = f"release {target.name} ({target.model} version {target.version})"
    return Refusal(status, f"{name} {how}. Try again, or see: skywright status", target.name)


async def _refuse(send: Send, status: int, text: str, release: str) -> None:
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if release != NOBODY:
        headers.append((PIN, release.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
