"""HTTP load from one core: raw sockets, keep-alive, request bytes made once.

Closed loop (each connection asks again when it has its answer) finds what a server holds, open loop (requests come at a
rate, whatever the answers) exceeds it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvloop


@dataclass
class Seen:
    """Seconds of each answer by status; `unanswered`: requests that no connection was free for, or that broke off."""

    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    unanswered: int = 0
    wall_s: float = 0.0
    last: bytes = b""

    @property
    def rate(self) -> float:
        """Answers with 200 per second."""
        return len(self.seconds[200]) / self.wall_s

    @property
    def errors(self) -> int:
        return self.unanswered + sum(len(times) for status, times in self.seconds.items() if status != 200)

    def quantile_ms(self, share: float, status: int = 200) -> float:
        times = sorted(self.seconds[status])
        return 1000 * times[min(len(times) - 1, int(share * len(times)))] if times else float("nan")


class _Connection(asyncio.Protocol):
    """One request at a time. `answered(connection, status, seconds, body)` is called for each answer."""

    def __init__(self, request: bytes, answered: Callable[[_Connection, int, float, bytes], None]) -> None:
        self._request = request
        self._answered = answered
        self._buffer = b""
        self._asked_at = 0.0
        self.is_busy = False
        self.is_open = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.is_open = True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self.is_busy:
            self._answered(self, 0, 0.0, b"")

    def ask(self, at: float | None = None) -> None:
        self.is_busy = True
        self._asked_at = time.perf_counter() if at is None else at
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            self._buffer = data
            return
        at = data[:head].lower().find(b"content-length:")
        size = int(data[at + 15 : data.find(b"\r", at)])
        if len(data) < head + 4 + size:
            self._buffer = data
            return
        self._buffer = b""
        self.is_busy = False
        self._answered(self, int(data[9:12]), time.perf_counter() - self._asked_at, data[head + 4 :])

    def close(self) -> None:
        self.is_busy = False
        self._transport.close()


def request_bytes(path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> bytes:
    raw = json.dumps(body).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n"
    )
    return f"{head}{more}\r\n".encode() + raw


def closed_loop(port: int, request: bytes, connections: int, seconds: float) -> Seen:
    return uvloop.run(_closed_loop(port, request, connections, seconds))


async def _closed_loop(port: int, request: bytes, connections: int, seconds: float) -> Seen:
    loop, seen = asyncio.get_running_loop(), Seen()
    ended, running = loop.create_future(), connections
    until = time.perf_counter() + seconds

    def answered(connection: _Connection, status: int, took_s: float, body: bytes) -> None:
        nonlocal running
        if status:
            seen.seconds[status].append(took_s)
            seen.last = body
        else:
            seen.unanswered += 1
        if status and time.perf_counter() < until:
            connection.ask()
            return
        running -= 1
        if not running and not ended.done():
            ended.set_result(None)

    opened = await _open(port, request, connections, answered)
    began = time.perf_counter()
    for connection in opened:
        connection.ask()
    await ended
    seen.wall_s = time.perf_counter() - began
    for connection in opened:
        connection.close()
    return seen


def open_loop(port: int, request: bytes, rate: float, connections: int, seconds: float) -> Seen:
    """`rate` requests per second for `seconds`; times count from when a request was due."""
    return uvloop.run(_open_loop(port, request, rate, connections, seconds))


async def _open_loop(port: int, request: bytes, rate: float, connections: int, seconds: float) -> Seen:
    seen, free = Seen(), deque[_Connection]()

    def answered(connection: _Connection, status: int, took_s: float, body: bytes) -> None:
        if status:
            seen.seconds[status].append(took_s)
            seen.last = body
            free.append(connection)
        else:
            seen.unanswered += 1

    opened = await _open(port, request, connections, answered)
    free.extend(opened)
    began, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - began) < seconds:
        while sent < now * rate:
            due = began + sent / rate
            sent += 1
            if free:
                free.popleft().ask(due)
            else:
                seen.unanswered += 1
        await asyncio.sleep(0.001)
    seen.wall_s = time.perf_counter() - began
    deadline = time.perf_counter() + 30
    while any(connection.is_busy for connection in opened) and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    seen.unanswered += sum(connection.is_busy for connection in opened)
    for connection in opened:
        connection.close()
    return seen


async def _open(
    port: int, request: bytes, count: int, answered: Callable[[_Connection, int, float, bytes], None]
) -> list[_Connection]:
    loop, opened = asyncio.get_running_loop(), []
    for _ in range(count):
        _, connection = await loop.create_connection(lambda: _Connection(request, answered), "127.0.0.1", port)
        opened.append(connection)
    return opened
