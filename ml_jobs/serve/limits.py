"""What a server takes on, and how it says no to the rest."""

from __future__ import annotations

import math

from pydantic import Field

from ml_jobs.contract import Record
from ml_jobs.serve.tensors import ProtocolError


class Limits(Record):
    """Of one server. What a request may ask for, how much of it may wait, and for how long."""

    max_body_bytes: int = Field(16 << 20, ge=1)
    max_rows: int = Field(4096, ge=1)
    max_pending_bytes: int = Field(256 << 20, ge=1, description="bodies of all requests that are not answered yet")
    max_queue: int = Field(1024, ge=1, description="requests that wait for the model")
    max_wait_s: float = Field(2, gt=0, description="how long an accepted request may wait for the model")
    max_batch_rows: int = Field(256, ge=1, description="rows given to the model at once, unless one request has more")
    read_timeout_s: float = Field(60, gt=0, description="within which a large body must have arrived")


DEFAULT_LIMITS = Limits()


class Refused(ProtocolError):
    """The same request may be sent again after `retry_after_s`: 429 when too much waits, 503 when none is answered."""

    def __init__(self, message: str, status: int, retry_after_s: float = 1) -> None:
        super().__init__(message, status)
        self.retry_after_s = max(1, math.ceil(retry_after_s))
