"""Whether a rule calls somebody now. Pure: rule, samples, time and the state before give the state after."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Literal

from ml_jobs.contract import UNITS, AlertRule
from ml_jobs.local.monitor.catalogue import Unsupported, source_of
from ml_jobs.local.monitor.folds import Samples, fold

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True, slots=True)
class State:
    """`since`: from when on the condition has held; `value` None: there was nothing to measure."""

    status: Literal["ok", "pending", "firing", "unsupported"] = "ok"
    since: float | None = None
    value: float | None = None


def evaluate(rule: AlertRule, samples: Samples, now: float, state: State, *, window_s: float | None = None) -> State:
    """The rule's state at `now`. `window_s` widens the rule's window where samples come more seldom than it is long.

    The condition has to hold for `for_s` before the rule fires, and not to hold once for it to be ok again. Nothing
    to measure counts as the rule's `absent` says. A clock that was set back neither fires a rule nor clears it.
    """
    source = source_of(rule)
    if isinstance(source, Unsupported):
        return State("unsupported")
    window = max(rule.window_s, window_s or 0)
    value = fold(source, rule.aggregation, samples, now - window, now)
    holds = rule.absent == "alarm" if value is None else bool(_COMPARE[rule.comparison](value, rule.threshold))
    if not holds:
        return State("ok", None, value)
    since = now if state.since is None else min(state.since, now)
    is_firing = state.status == "firing" or now - since >= rule.for_s
    return State("firing" if is_firing else "pending", since, value)


def condition(rule: AlertRule) -> str:
    """The rule's condition as people read it."""
    unit = UNITS[rule.metric]
    shown = "" if unit in ("ratio", "count") else f" {unit}"
    text = f"{rule.aggregation} {rule.metric.value.replace('_', ' ')} over {rule.window_s:g} s"
    text += f" {rule.comparison} {rule.threshold:g}{shown}"
    return text + (f" for {rule.for_s:g} s" if rule.for_s else "")
