"""Asking a price interface: bounded in time and size, with one error for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

CONNECT_S, READ_S = 10.0, 30.0
MAX_JSON_BYTES = 64 * 2**20


class NoAnswer(Exception):
    """An interface didn't answer, or not with prices. The text says why, in one line, without any secret."""


class Fetch(Protocol):
    """How a source reaches its interface; tests give their own."""

    def json(self, url: str, params: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any: ...

    def lines(self, url: str) -> Iterator[str]: ...


class Http:
    """Over the network."""

    def __init__(self, *, connect_s: float = CONNECT_S, read_s: float = READ_S) -> None:
        self._client = httpx.Client(
            timeout=httpx.Timeout(read_s, connect=connect_s),
            follow_redirects=False,
            headers={"accept-encoding": "gzip"},
        )

    def json(self, url: str, params: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
        try:
            with self._client.stream("GET", url, params=dict(params) or None, headers=dict(headers or {})) as answer:
                _checked(answer)
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > MAX_JSON_BYTES:
                        raise NoAnswer(f"{_host(url)} answers with more than {MAX_JSON_BYTES // 2**20} MiB")
            return httpx.Response(200, content=bytes(body)).json()
        except httpx.HTTPError as error:
            raise NoAnswer(f"{_host(url)} doesn't answer ({type(error).__name__})") from None
        except ValueError:
            raise NoAnswer(f"{_host(url)} answers with something that isn't JSON") from None

    def lines(self, url: str) -> Iterator[str]:
        """A text line by line: the files are hundreds of megabytes."""
        try:
            with self._client.stream("GET", url) as answer:
                _checked(answer)
                yield from answer.iter_lines()
        except httpx.HTTPError as error:
            raise NoAnswer(f"{_host(url)} doesn't answer ({type(error).__name__})") from None


def _checked(answer: httpx.Response) -> None:
    if answer.status_code != 200:
        raise NoAnswer(f"{answer.url.host} answers {answer.status_code}")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
