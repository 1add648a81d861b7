"""Caps on what a stack may cost in a month, and on what a change may add. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from policies.cost.model import Change, Estimate


@dataclass(frozen=True, slots=True)
class Caps:
    """From the stack's configuration, for its environment; None sets no cap. Both compare what is likely."""

    max_monthly_usd: Decimal | None = None
    max_increase_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CapFinding:
    """`rule` is its id in the review. `is_certain`: False where only unknown costs could break the cap: advisory."""

    rule: str
    text: str
    is_certain: bool = True


WITHIN_CAP, INCREASE_WITHIN_CAP = "cost-within-cap", "cost-increase-within-cap"


def check(estimate: Estimate, change: Change | None, caps: Caps) -> list[CapFinding]:
    """What breaks a cap, and what may break it by costs that nobody knows. `change` is None without deployed state."""
    return [
        *_monthly(estimate, caps.max_monthly_usd),
        *(_increase(change, caps.max_increase_percent) if change else ()),
    ]


def _monthly(estimate: Estimate, cap: Decimal | None) -> list[CapFinding]:
    if cap is None:
        return []
    unknown = _unknown(estimate)
    if estimate.total > cap:
        above = estimate.total - cap
        text = f"the stack costs {_usd(estimate.total)} a month, {_usd(above)} above max_monthly_usd ({_usd(cap)})"
        return [CapFinding(WITHIN_CAP, f"{text}{unknown}. {_dearest(estimate)}")]
    if estimate.high > cap:
        text = f"the stack may cost up to {_usd(estimate.high)} a month; max_monthly_usd is {_usd(cap)}"
        return [CapFinding(WITHIN_CAP, f"{text}{unknown}", is_certain=False)]
    if unknown:
        text = f"the known costs of {_usd(estimate.total)} are within max_monthly_usd ({_usd(cap)})"
        return [CapFinding(WITHIN_CAP, f"{text}{unknown}", is_certain=False)]
    return []


def _increase(change: Change, cap: Decimal | None) -> list[CapFinding]:
    if cap is None or change.delta <= 0:
        return []
    percent = change.percent
    if percent is None:
        text = (
            f"the cost rises from nothing to {_usd(change.after)} a month, so max_increase_percent says nothing of it"
        )
        return [CapFinding(INCREASE_WITHIN_CAP, text, is_certain=False)]
    if change.delta * 100 > cap * change.before:
        most = ", ".join(f"{item.resource} {item.delta:+,.2f}" for item in change.resources[:3])
        text = f"the change adds {_usd(change.delta)} a month, {percent} %; max_increase_percent is {cap.normalize():f}"
        return [CapFinding(INCREASE_WITHIN_CAP, f"{text}. Most of it: {most}")]
    return []


def _unknown(estimate: Estimate) -> str:
    count = len(estimate.unknown)
    return f"; {count} line{'s' if count > 1 else ''} more can't be told" if count else ""


def _dearest(estimate: Estimate) -> str:
    known = sorted((line for line in estimate.lines if line.monthly_usd), key=lambda line: -(line.monthly_usd or 0))
    return "The dearest: " + ", ".join(
        f"{line.resource} {line.component} {line.monthly_usd:,.2f}" for line in known[:3]
    )


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f} USD"
