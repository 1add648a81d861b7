"""HTTP as ASGI carries it: bodies in, replies out. Raw, since every request comes this way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from starlette.types import Receive, Send

from ml_jobs.serve.limits import Limits, Refused
from ml_jobs.serve.tensors import ProtocolError

JSON = b"application/json"
SMALL_BODY = 64 * 1024
"""Up to here a slow sender holds so little that no clock is set for it."""

Headers = Mapping[bytes, bytes]


class Reply(NamedTuple):
    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json_reply(data: Any, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(data))


def error_reply(error: ProtocolError) -> Reply:
    """The protocol's error object; with it when to come again, where that helps."""
    headers = ((b"retry-after", str(error.retry_after_s).encode()),) if isinstance(error, Refused) else ()
    return Reply(error.status, orjson.dumps({"error": str(error)}), JSON, headers)


async def send_reply(send: Send, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def stated_bytes(headers: Headers, limits: Limits) -> int:
    """The body's length as its sender states it, or the limit. Raises ProtocolError for one beyond the limit."""
    stated = headers.get(b"content-length")
    if stated is None:
        return limits.max_body_bytes
    size = int(stated)  # the server has refused what is no number
    if size > limits.max_body_bytes:
        raise _too_large(limits)
    return size


async def read_body(receive: Receive, stated: int, limits: Limits) -> bytes:
    """The whole body, never more of it in memory than the limit. Raises ProtocolError when it is too large or slow."""
    if stated <= SMALL_BODY:
        return await _read(receive, limits)
    try:
        async with asyncio.timeout(limits.read_timeout_s):
            return await _read(receive, limits)
    except TimeoutError:
        raise ProtocolError(f"the body did not arrive within {limits.read_timeout_s:g} s", 408) from None


async def _read(receive: Receive, limits: Limits) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limits.max_body_bytes:
            raise _too_large(limits)
        return body
    chunks, size = [], 0
    while message["type"] == "http.request":
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limits.max_body_bytes:
            raise _too_large(limits)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()
    raise ProtocolError("the caller went away", 499)


def _too_large(limits: Limits) -> ProtocolError:
    return ProtocolError(f"the body is larger than {limits.max_body_bytes} bytes; send smaller batches", 413)
