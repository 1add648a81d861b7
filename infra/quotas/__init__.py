"""Live quotas, where the cloud lets us read them. Whatever goes wrong is one line beside the published default."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from infra.quotas.deadline import Late, within
from policies.quota import Demand, Limit

CLOUDS = ("aws", "gcp", "azure")
DEADLINE_S = 45.0
"""For all of a cloud's answers together."""


def live(
    cloud: str,
    region: str | None,
    demands: Iterable[Demand],
    *,
    account: str | None = None,
    deadline_s: float = DEADLINE_S,
) -> dict[str, Limit]:
    """The limits behind these demands, by `Demand.key`. `account`: project or subscription, default the credentials'.

    Never raises and never takes longer than `deadline_s`: what couldn't be read is a Limit without a value, whose note
    says why. Empty for a cloud without quotas.
    """
    wanted = [each for each in demands if each.cloud == cloud and (each.published or each.needed is not None)]
    if cloud not in CLOUDS or region is None or not wanted:
        return {}

    def read() -> dict[str, Limit]:
        reader: Any = importlib.import_module(f"infra.quotas.{cloud}")
        found: dict[str, Limit] = reader.limits(region, wanted, account=account)
        return found

    try:
        return within(deadline_s, read)
    except Late:
        return unread(wanted, f"{cloud} gave no quotas within {deadline_s:g} s")
    except Exception as error:  # a review must not end for want of a quota
        return unread(wanted, why(error))


def unread(demands: Iterable[Demand], note: str) -> dict[str, Limit]:
    return {demand.key: Limit(None, note) for demand in demands}


def why(error: BaseException) -> str:
    """One line of at most 200 characters."""
    said = " ".join(str(error).split()) or type(error).__name__
    return f"not read: {said[:200].rstrip('. ')}"
