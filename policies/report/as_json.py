"""A review as JSON: stable keys, a version, amounts as text so that no cent is lost."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

from policies.report.model import Review

VERSION = 1


def render(review: Review) -> str:
    return json.dumps(plain(review), indent=2)


def plain(review: Review) -> dict[str, Any]:
    """The whole review as plain data."""
    estimate = review.estimate.as_dict() if review.estimate else None
    rest = {field.name: _plain(getattr(review, field.name)) for field in dataclasses.fields(review)}
    return {"version": VERSION, "is_blocked": review.is_blocked, **rest, "estimate": estimate}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
