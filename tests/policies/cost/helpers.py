"""One resource, priced."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from policies.cost import Estimate, Usage, estimate
from policies.examples import declared
from policies.resources import Resource

Amounts = dict[str, Decimal | None]


def component(cloud: str, kind: str, spec: dict[str, Any], name: str = "") -> Resource:
    return declared(f"skywright:{cloud}:{kind}", name or kind.lower(), isProduction=False, tags={}, spec=spec)


def priced(type_token: str, region: str = "us-east-1", usage: dict[str, float] | None = None, **props: Any) -> Estimate:
    given = Usage.from_dict({"it": usage} if usage else {})
    return estimate([Resource(type_token, "it", props)], region=region, usage=given)


def amounts(found: Estimate) -> Amounts:
    return {line.component: line.monthly_usd for line in found.lines}


def usd(**expected: str) -> Amounts:
    """`usd(storage="2.30")`; underscores stand for spaces."""
    return {key.replace("_", " "): Decimal(value) for key, value in expected.items()}
