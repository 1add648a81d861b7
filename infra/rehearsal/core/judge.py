"""What a judge says of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Refusal:
    """`path`: the input that is refused, as the program knows it (`productionVariants[0].instanceType`)."""

    path: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """`judge`: who judged, such as `botocore sagemaker`. Empty: nothing but the SDK's types did.

    Paths are those of inputs, dotted, without indices. `carried`: they reached a request (whatever lies below them did
    too). `reasons`: why an input need not reach one. `requests`: what was judged, by operation.
    """

    judge: str = ""
    refusals: tuple[Refusal, ...] = ()
    carried: frozenset[str] = frozenset()
    reasons: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, Any] = field(default_factory=dict)


class Refused(Exception):
    """The cloud refuses; the message is its own."""


class Judge(Protocol):
    def judge(self, inputs: Mapping[str, Any], facts: Mapping[str, Any]) -> Verdict:
        """`inputs`: plain, UNKNOWN in places. `facts`: what the cloud computes (id, arn, region, account ...)."""


def covers(paths: frozenset[str] | Mapping[str, str], leaf: str) -> bool:
    """Whether the leaf is one of the paths or lies below one."""
    parts = leaf.split(".")
    return any(".".join(parts[:count]) in paths for count in range(len(parts), 0, -1))
