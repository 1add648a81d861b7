"""How a cluster's capacity is shared by teams, and requests by releases: pure functions, held by properties."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.kubernetes.buckets import buckets, pattern
from components.kubernetes.flavors import GPU, POOL_LABEL, Flavor, brought_flavors, brought_pools
from components.kubernetes.quotas import hard_quota, shares, split
from components.kubernetes.routes import rules
from components.kubernetes.settings import KubernetesSettings
from components.specs import RoutingSpec, TeamSpec, TrainingSpec
from ml_jobs.contract import Release

ASKED = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.one_of(st.none(), st.integers(0, 500)), min_size=1, max_size=6
)
A100 = Flavor("gpu", "gpu", {}, accelerator="A100-40", count=8, max_count=4, is_spot=True, cpus=96, memory_gib=1000)
CPU = Flavor("cpu", "cpu", {}, max_count=3, cpus=16, memory_gib=64)


@given(st.integers(0, 1000), ASKED)
def test_parts_are_whole_and_never_add_up_to_more_than_there_is(total: int, asked: dict[str, int | None]) -> None:
    parts = split(total, asked)
    assert parts.keys() == asked.keys()
    assert all(part >= 0 for part in parts.values())
    assert sum(parts.values()) <= total
    assert all(parts[name] <= limit for name, limit in asked.items() if limit is not None)
    if any(limit is None for limit in asked.values()):
        assert sum(parts.values()) == total


@given(st.integers(0, 1000), ASKED)
def test_what_fits_is_given_whole(total: int, asked: dict[str, int | None]) -> None:
    limits = {name: limit for name, limit in asked.items() if limit is not None}
    if sum(limits.values()) <= total:
        parts = split(total, asked)
        assert {name: parts[name] for name in limits} == limits


@pytest.mark.parametrize(
    ("total", "asked", "parts"),
    [
        (8, {"a": 6, "b": 2}, {"a": 6, "b": 2}),
        (8, {"a": 6, "b": 6}, {"a": 4, "b": 4}),
        (8, {"a": 6, "b": None}, {"a": 6, "b": 2}),
        (7, {"a": None, "b": None}, {"a": 4, "b": 3}),
        (7, {"a": 9, "b": 9, "c": 9}, {"a": 3, "b": 2, "c": 2}),
        (0, {"a": 3}, {"a": 0}),
    ],
)
def test_shares_of_a_pool(total: int, asked: dict[str, int | None], parts: dict[str, int]) -> None:
    assert split(total, asked) == parts


def test_a_team_borrows_up_to_its_limit_or_whatever_is_idle() -> None:
    teams = {
        "wide": TeamSpec(max_accelerators={"A100-40": 24}),
        "narrow": TeamSpec(max_accelerators={"A100-40": 24}, can_borrow=False),
    }
    found = shares([A100], teams)
    assert (found["wide"]["gpu"][GPU].nominal, found["wide"]["gpu"][GPU].borrow) == (16, None)
    assert (found["narrow"]["gpu"][GPU].nominal, found["narrow"]["gpu"][GPU].borrow) == (16, 8)


def test_a_team_without_the_kind_in_its_limits_has_none_of_it() -> None:
    found = shares([A100, CPU], {"a": TeamSpec(max_accelerators={"L4": 2}, can_borrow=False)})
    assert found["a"]["gpu"][GPU].nominal == 0
    assert found["a"]["cpu"]["cpu"].nominal == 48


def test_a_namespace_holds_a_team_that_may_not_borrow_to_its_limits_over_all_pools() -> None:
    closed = TeamSpec(max_accelerators={"A100-40": 8, "L4": 1}, max_cpus=64, can_borrow=False)
    assert hard_quota([A100, CPU], closed) == {
        "requests.cpu": "64", "requests.memory": "4192Gi", f"requests.{GPU}": "9",
    }  # fmt: skip
    assert hard_quota([A100, CPU], TeamSpec(max_cpus=64))["requests.cpu"] == "432"


def test_a_brought_pool_is_found_by_its_labels_or_by_its_name() -> None:
    spec = TrainingSpec.model_validate(
        {"pools": {"gpu": {"accelerator": {"kind": "L4", "count": 2}, "is_spot": True}, "cpu": {"ranks": 3}}}
    )
    settings = KubernetesSettings.model_validate(
        {"pools": {"gpu": {"node_labels": {"a/b": "c"}, "usd_per_hour": 2, "tolerations": [{"key": "spot"}]}}}
    )
    gpu, cpu = brought_flavors(spec, settings)
    assert gpu.node_labels == {"a/b": "c"} and [item.key for item in gpu.tolerations] == ["spot"]
    assert cpu.node_labels == {POOL_LABEL: "cpu"} and cpu.tolerations == ()
    assert gpu.total == {"cpu": 8, "memory": 32, GPU: 2}
    assert [(pool.count, pool.usd_per_hour) for pool in brought_pools(spec, settings)] == [(2, 2), (3, None)]


WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=8).map(
    lambda parts: {f"r{index}": part * 100 / sum(parts) for index, part in enumerate(parts)}
)
ALL = {f"{first}{second}" for first in "0123456789abcdef" for second in "0123456789abcdef"}
DECIMAL = {ending for ending in ALL if ending.isdigit()}


@given(WEIGHTS)
def test_every_ending_meets_exactly_one_release_by_its_weight(weights: dict[str, float]) -> None:
    dealt = buckets(weights)
    assert sorted(ending for endings in dealt.values() for ending in endings) == sorted(ALL)
    for name, endings in dealt.items():
        assert len(endings) / 256 * 100 == pytest.approx(weights[name], abs=0.8)
        assert len(endings & DECIMAL) == pytest.approx(weights[name], abs=1)


@given(WEIGHTS, st.text(max_size=8))
def test_a_pattern_matches_the_keys_that_end_so_and_no_other(weights: dict[str, float], head: str) -> None:
    for endings in buckets(weights).values():
        if not endings:
            continue
        whole = re.compile(pattern(endings), re.DOTALL)
        assert {ending for ending in ALL if whole.fullmatch(head + ending)} == endings
        assert not whole.fullmatch("key-zz")
        assert len(pattern(endings)) <= 4096  # HTTPHeaderMatch.value


def test_a_canary_takes_callers_from_the_stable_release_only() -> None:
    before, after = buckets({"canary": 10, "stable": 90}), buckets({"canary": 30, "stable": 70})
    assert before["canary"] < after["canary"]


def released(weight: float, shadow: float = 0) -> Release:
    return Release(
        model="m", version=1, artifact_url="s3://a", artifact_sha256="ab" * 32, weight_percent=weight,
        shadow_percent=shadow,
    )  # fmt: skip


SERVICES = {"v1": "p-v1", "v2": "p-v2", "v3": "p-v3"}


def test_weights_and_mirrors_stand_in_one_rule() -> None:
    releases = {"v1": released(87.5), "v2": released(12.5), "v3": released(0, shadow=2.5)}
    (rule,) = rules(releases, SERVICES, RoutingSpec(), nobody="none")
    assert [(item["name"], item["weight"]) for item in rule["backendRefs"]] == [("p-v1", 8750), ("p-v2", 1250)]
    (mirror,) = rule["filters"]
    assert mirror["requestMirror"] == {
        "backendRef": {"name": "p-v3", "port": 80}, "fraction": {"numerator": 250, "denominator": 10000},
    }  # fmt: skip


def test_a_sticky_key_goes_before_the_weights() -> None:
    sticky = RoutingSpec(mode="sticky", key_header="x-customer-id")
    made = rules({"v1": released(50), "v2": released(50)}, SERVICES, sticky, nobody="none")
    assert [len(rule["backendRefs"]) for rule in made] == [1, 1, 2]
    (header,) = made[0]["matches"][0]["headers"]
    assert (header["name"], header["type"]) == ("x-customer-id", "RegularExpression")
    assert "headers" not in made[2]["matches"][0]


@pytest.mark.parametrize("mode", ["weighted", "sticky"])
def test_nothing_released_leads_to_nobody(mode: Any) -> None:
    (rule,) = rules({}, {}, RoutingSpec(mode=mode), nobody="none")
    assert rule["backendRefs"] == [{"name": "none", "port": 80}]
