"""Trying again what a store or a network failed at: bounded in time, with jitter, only where it can help."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

FOR_S = 60.0
"""No new try starts this long after the first failure."""
FIRST_S, LONGEST_S = 0.2, 8.0

_chance = random.Random()  # the training's own generator stays untouched

_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_ERRNOS = frozenset({errno.EBUSY, errno.EREMOTEIO, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH})
_TRANSIENT = frozenset(
    {
        *("ClientConnectionError", "ClientPayloadError"),  # aiohttp
        *("HTTPClientError", "IncompleteReadError", "ResponseParserError", "ResponseStreamingError"),  # botocore
        *(
            "ConnectionError",
            "Timeout",
            "ChunkedEncodingError",
            "ProxyError",
            "TransportError",
        ),  # requests, google.auth
        *("ServiceRequestError", "ServiceResponseError", "IncompleteReadError"),  # azure.core
        *("IncompleteRead", "ChecksumError"),  # http.client, gcsfs
    }
)
_CREDENTIALS = frozenset(
    {
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"),
        *("UnauthorizedSSOTokenError", "SSOTokenLoadError", "ProfileNotFound"),
        *("DefaultCredentialsError", "RefreshError"),
        *("ClientAuthenticationError", "CredentialUnavailableError"),
    }
)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def status(error: BaseException) -> int | None:
    """The HTTP status by which a store refused, as botocore, gcsfs, azure-core and aiohttp keep it."""
    for link in chain(error):
        response: Any = getattr(link, "response", None)
        known = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
        for value in (known, *(getattr(link, name, None) for name in ("status_code", "code", "status"))):
            if isinstance(value, int | str) and str(value).isdigit() and 400 <= int(value) < 600:
                return int(value)
    return None


def is_refused(error: BaseException) -> bool:
    """True where who asked is unknown, expired or not allowed: asking again changes nothing."""
    names = {kind.__name__ for link in chain(error) for kind in type(link).__mro__}
    return (
        bool(names & (_CREDENTIALS | {"PermissionError"}))
        or status(error) in (401, 403)
        or str(error).startswith("Forbidden: ")
    )


def is_transient(error: BaseException) -> bool:
    """True for what may go away by itself: a lost connection, a timeout, a server that is busy or failed."""
    if is_refused(error) or isinstance(error, FileNotFoundError | FileExistsError | PermissionError):
        return False
    if (code := status(error)) is not None:
        return code in _STATUSES
    return any(
        isinstance(link, ConnectionError | TimeoutError)
        or (isinstance(link, OSError) and link.errno in _ERRNOS)
        or any(kind.__name__ in _TRANSIENT for kind in type(link).__mro__)
        for link in chain(error)
    )


def repeat(
    call: Callable[[], T],
    *,
    for_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """What `call` returns, tried again after transient errors for up to `for_s` seconds (FOR_S); raises the last one.

    The pauses double from FIRST_S to LONGEST_S and are drawn from zero to that, so that ranks don't come back together.
    `call` must be one that may be done twice.
    """
    pause_s, ends = FIRST_S, None
    while True:
        try:
            return call()
        except Exception as error:
            ends = clock() + (FOR_S if for_s is None else for_s) if ends is None else ends
            wait_s = _chance.uniform(0, pause_s)
            if not is_transient(error) or clock() + wait_s > ends:
                raise
            sleep(wait_s)
            pause_s = min(pause_s * 2, LONGEST_S)
