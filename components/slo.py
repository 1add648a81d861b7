"""Service level objectives as alerts on how fast their error budget burns. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from catalog.names import NameRule, name_for
from components.specs import SloSpec
from ml_jobs.contract import AlertRule, Metric

WORKBOOK = "https://sre.google/workbook/alerting-on-slos/#6-multiwindow-multi-burn-rate-alerts"
ALERT = NameRule("alert", 40, WORKBOOK)
LONGEST_S = 86_400
"""An AlertRule looks back a day at the most."""


@dataclass(frozen=True, slots=True)
class Burn:
    """`rate`: how many times faster than the budget allows. The long window says that it matters, the short one that
    it goes on."""

    long_s: int
    short_s: int
    rate: float
    severity: Literal["info", "warning", "critical"]

    def threshold(self, slo: SloSpec) -> float:
        """The share of wrong answers above which the budget burns that fast."""
        return round(self.rate * (1 - slo.objective), 9)

    def is_possible(self, slo: SloSpec) -> bool:
        """No more than everything can go wrong: a loose objective can't burn its budget that fast."""
        return self.threshold(slo) < 1


BURNS = (
    Burn(3_600, 300, 14.4, "critical"),
    Burn(21_600, 1_800, 6.0, "critical"),
    Burn(259_200, 21_600, 1.0, "warning"),
)
"""As WORKBOOK recommends them."""


def burn_pairs(slo: SloSpec) -> list[tuple[AlertRule, AlertRule]]:
    """(long window, short window) of each burn that AlertRules can watch; somebody is called while both hold."""
    return [
        (_rule(slo, burn, burn.long_s, "long"), _rule(slo, burn, burn.short_s, "short"))
        for burn in BURNS
        if burn.long_s <= LONGEST_S and burn.is_possible(slo)
    ]


def _rule(slo: SloSpec, burn: Burn, window_s: int, which: str) -> AlertRule:
    return AlertRule(
        name=name_for(ALERT, slo.name, "burn", f"{burn.long_s // 3600}h", which),
        metric=Metric.ERROR_RATIO,
        aggregation="avg",
        window_s=window_s,
        comparison=">",
        threshold=burn.threshold(slo),
        severity=burn.severity,
        labels={"slo": slo.name},
    )
