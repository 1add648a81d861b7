"""Connections to the model servers: a pool for each URL, closed when its release has left and all is answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import aiohttp
from multidict import CIMultiDict
from yarl import URL

IDLE_S = 30.0
"""Shorter than the servers' own keep-alive, so that it is we who close an idle connection."""

CONNECT_S = 2.0


class Gone(Exception):
    """The routes changed between a request's decision and its sending: decide again."""


class Backend:
    """The pool of one server. `in_flight` counts requests that have been sent and not answered in full."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        self.url = url
        self.in_flight = 0
        self._authorization = f"Bearer {token}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=512, keepalive_timeout=IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S),
        )

    def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes | None
    ) -> aiohttp.client._RequestContextManager:
        """`path` as it came, already quoted, with its query. The caller's token stays here: servers know only ours."""
        headers["Authorization"] = self._authorization
        return self._session.request(
            method, URL(self.url + path, encoded=True), headers=headers, data=body, allow_redirects=False
        )

    async def close(self) -> None:
        await self._session.close()


class Backends:
    """The pools of the current routes, and of earlier ones until they have drained."""

    def __init__(self, token: str, timeout_s: float) -> None:
        self._token = token
        self._timeout_s = timeout_s
        self._current: dict[str, Backend] = {}
        self._leaving: set[Backend] = set()

    def keep(self, urls: Iterable[str]) -> None:
        """Have a pool for each of `urls`; the others leave as soon as they have drained."""
        wanted = dict.fromkeys(urls)
        for url in [url for url in self._current if url not in wanted]:
            self._leaving.add(self._current.pop(url))
        for url in wanted:
            if url not in self._current:
                self._current[url] = Backend(url, self._token, self._timeout_s)

    @contextmanager
    def using(self, url: str) -> Iterator[Backend]:
        """The pool of `url`, counted as in flight meanwhile. Raises Gone when that release has left."""
        backend = self._current.get(url)
        if backend is None:
            raise Gone(url)
        backend.in_flight += 1
        try:
            yield backend
        finally:
            backend.in_flight -= 1

    def in_flight(self) -> dict[str, int]:
        return {backend.url: backend.in_flight for backend in self._current.values()}

    def draining(self) -> dict[str, int]:
        return {backend.url: backend.in_flight for backend in self._leaving if backend.in_flight}

    async def close_drained(self) -> None:
        for backend in [backend for backend in self._leaving if backend.in_flight == 0]:
            self._leaving.discard(backend)
            await backend.close()

    async def close(self) -> None:
        self.keep(())
        for backend in self._leaving:
            await backend.close()
