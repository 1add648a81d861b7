"""Burn alerts: two windows for each rate, and nobody is called for errors that the objective allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.kubernetes.promql import Scope
from components.kubernetes.rules import slo_alerts
from components.slo import BURNS, burn_pairs
from components.specs import SloSpec

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,38}[a-z0-9]", fullmatch=True)
SLOS = st.builds(SloSpec, name=NAMES, objective=st.floats(0.51, 0.99999))


def test_the_workbooks_windows_for_three_nines() -> None:
    pairs = burn_pairs(SloSpec(name="answers", objective=0.999))
    found = [(long.window_s, short.window_s, long.threshold, long.severity) for long, short in pairs]
    assert found == [(3600, 300, pytest.approx(0.0144), "critical"), (21600, 1800, pytest.approx(0.006), "critical")]


@given(SLOS)
def test_both_windows_ask_the_same_and_the_short_one_is_a_twelfth(slo: SloSpec) -> None:
    for long, short in burn_pairs(slo):
        assert short.window_s * 12 == long.window_s
        assert (long.threshold, long.comparison, long.metric) == (short.threshold, short.comparison, short.metric)
        assert 1 - slo.objective < long.threshold < 1


@given(st.lists(SLOS, min_size=2, max_size=6, unique_by=lambda slo: slo.name))
def test_no_two_rules_share_a_name(slos: list[SloSpec]) -> None:
    names = [rule.name for slo in slos for pair in burn_pairs(slo) for rule in pair]
    assert len(names) == len(set(names))


@given(SLOS)
def test_slower_burns_are_watched_for_longer(slo: SloSpec) -> None:
    pairs = burn_pairs(slo)
    assert [long.window_s for long, _ in pairs] == sorted(long.window_s for long, _ in pairs)
    assert [long.threshold for long, _ in pairs] == sorted((long.threshold for long, _ in pairs), reverse=True)


def test_a_loose_objective_has_no_alert_that_could_never_ring() -> None:
    assert [long.window_s for long, _ in burn_pairs(SloSpec(name="loose", objective=0.9))] == [21600]


def test_a_cluster_watches_the_same_burns() -> None:
    scope = Scope(namespace="ml", queue_prefix="q", stack="dev", is_envoy=True)
    slo = SloSpec(name="answers", objective=0.999)
    rules = slo_alerts(slo, scope)
    assert len(rules) == len(BURNS)
    for burn, rule in zip(BURNS, rules, strict=True):
        assert repr(burn.threshold(slo)) in rule["expr"]
