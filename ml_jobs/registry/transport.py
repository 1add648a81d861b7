"""HTTP to the registry: retried where that is safe, and every failure one line."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx

from catalog.errors import SkywrightError, UserError
from ml_jobs.identity import Refused
from ml_jobs.registry.record import finite

_STEPS_S = (0.2, 0.5, 1.0, 2.0)
_PASSING = frozenset({502, 503, 504})


class Away(SkywrightError):
    """The registry doesn't answer."""


class Failed(SkywrightError):
    """The registry can't do it now: its disk is full, say. The same request may succeed later."""


class Rejected(UserError):
    """What was asked is wrong, and stays wrong. `status` is HTTP's; `details` the whole answer."""

    def __init__(self, what: str, status: int, details: dict[str, Any]) -> None:
        super().__init__(what)
        self.status = status
        self.details = details


class Transport:
    """Requests with a token, sent again (unless told not to) while the registry is away or starting."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 30) -> None:
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        is_tls = self.url.startswith("https:")  # without it, loading the certificates would take .1 s for nothing
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False, verify=is_tls)

    def close(self) -> None:
        self._http.close()

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, *, repeat: bool = True) -> Any:
        """The answer's JSON. `repeat`: sending it twice does no harm.

        Raises Refused (401, 403), Rejected (any other 4xx), Failed (5xx) or Away.
        """
        content = None if body is None else json.dumps(finite(body), default=str)
        failure = ""
        for wait_s in (*(_STEPS_S if repeat else ()), None):
            try:
                answer = self._http.request(method, path, content=content)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol):
                raise Away(f"the registry's URL {self.url!r} is no http URL") from None
            except httpx.TransportError as error:
                failure = type(error).__name__
            else:
                if answer.status_code not in _PASSING:
                    return _result(answer)
                failure = _message(answer)[0]
            if wait_s is not None:
                time.sleep(wait_s)
        raise Away(
            f"the registry at {self.url} does not answer ({failure.rstrip('.')})",
            "See `skywright status`; `skywright up` mends a stack whose processes died.",
        )


def _result(answer: httpx.Response) -> Any:
    if not answer.is_error:
        try:
            return answer.json()
        except ValueError:
            raise Away(f"what answers at {answer.request.url.host} is not a registry: no JSON") from None
    text, details = _message(answer)
    if answer.status_code in (401, 403):
        raise Refused(text)
    if answer.is_server_error:
        raise Failed(text)
    raise Rejected(text, answer.status_code, details)


def _message(answer: httpx.Response) -> tuple[str, dict[str, Any]]:
    try:
        details = answer.json()
    except ValueError:
        details = {}
    if not isinstance(details, dict):
        details = {}
    text = details.get("error") or details.get("message") or f"the registry answered {answer.status_code}"
    return str(text).splitlines()[0], details
