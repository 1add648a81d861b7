"""JSON over HTTPS from Google and Azure: short waits, every page, errors as one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

TIMEOUT_S = 8.0
MAX_PAGES = 200


class Unreadable(Exception):
    """The service didn't give what was asked for. The text is one line, fit to be shown."""


class Rest:
    """Calls with one bearer token."""

    def __init__(self, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._client = httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=timeout_s)

    def __enter__(self) -> Rest:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Raises Unreadable: refused, out of reach, late, or no JSON object."""
        place = urlsplit(url).netloc
        try:
            answer = self._client.get(url, params=dict(params) if params else None)
        except httpx.TimeoutException:
            raise Unreadable(f"{place} gave no answer in time") from None
        except httpx.HTTPError as error:
            raise Unreadable(f"{place} can't be reached ({type(error).__name__})") from None
        if answer.status_code != 200:
            raise Unreadable(f"{place} answered {answer.status_code}{_reason(answer)}")
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unreadable(f"{place} answered something else than a JSON object")
        return found

    def pages(self, url: str, params: Mapping[str, str], *, token: str | None = None) -> Iterator[dict[str, Any]]:
        """Every page: by `nextLink` (Azure), or by `nextPageToken` given back as the parameter `token` (Google).

        A link to another host is not followed: it would carry our token there.
        """
        next_url, next_params = url, dict(params)
        for _ in range(MAX_PAGES):
            page = self.get(next_url, next_params or None)
            yield page
            if token and (mark := page.get("nextPageToken")):
                next_params[token] = str(mark)
            elif not token and (link := page.get("nextLink")):
                next_url, next_params = urljoin(url, str(link)), {}
                if urlsplit(next_url)[:2] != urlsplit(url)[:2]:
                    raise Unreadable(f"{urlsplit(url).netloc} points to another host for the rest")
            else:
                return
        raise Unreadable(f"{urlsplit(url).netloc} has more than {MAX_PAGES} pages")


def _reason(answer: httpx.Response) -> str:
    """The message of Google's and Azure's errors, which have the same form."""
    try:
        message = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {' '.join(str(message).split())[:160]}"
