"""A review as JSON and back: stable keys, a version, amounts as text so that no cent is lost."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from catalog.errors import UserError
from policies.report.model import Review

VERSION = 1
AGAIN = "Write it anew: skywright review STACK --format json."


def render(review: Review) -> str:
    return json.dumps(plain(review), indent=2)


def plain(review: Review) -> dict[str, Any]:
    """The whole review as plain data. `is_blocked` and the estimate's sums are for readers; `read` makes its own."""
    estimate = review.estimate.as_dict() if review.estimate else None
    rest = {field.name: _plain(getattr(review, field.name)) for field in dataclasses.fields(review)}
    return {"version": VERSION, "is_blocked": review.is_blocked, **rest, "estimate": estimate}


def read(text: str) -> Review:
    """The review that was written, newer keys left out. Raises UserError in one line for what isn't one."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UserError(f"the review is not whole JSON: {error}", AGAIN) from None
    if not isinstance(data, dict) or "version" not in data:
        raise UserError("the JSON is no review: it has no version", AGAIN)
    if data["version"] != VERSION:
        raise UserError(f"the review has version {data['version']!r}, this release reads {VERSION}", AGAIN)
    try:
        return _adapter().validate_python(data)
    except ValidationError as error:
        item = error.errors()[0]
        where = ".".join(str(part) for part in item["loc"])
        raise UserError(f"the review's {where} is not as it was written: {item['msg']}", AGAIN) from None


@functools.cache
def _adapter() -> TypeAdapter[Review]:
    """Resolves the names that the model has for type checkers alone: they would go round in a circle at run time."""
    from policies.cost import Change, Estimate
    from policies.frameworks import ControlReport
    from policies.quota import QuotaLine

    adapter: TypeAdapter[Review] = TypeAdapter(Review)
    names = {"Change": Change, "Estimate": Estimate, "ControlReport": ControlReport, "QuotaLine": QuotaLine}
    adapter.rebuild(force=True, _types_namespace=names)
    return adapter


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
