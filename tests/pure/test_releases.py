"""Which weights follow from a release, and where a rollback goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import UserError
from infra.releases import last_but_one, plain, production, with_release
from ml_jobs.contract import Release


def release(version: int, weight: float = 0, shadow: float = 0) -> Release:
    return Release(
        model="digits", version=version, artifact_url="file:///a", artifact_sha256=f"{version:064x}",
        weight_percent=weight, shadow_percent=shadow,
    )  # fmt: skip


def weights(releases: dict[str, Release]) -> dict[str, float]:
    return {name: item.weight_percent for name, item in releases.items()}


@pytest.mark.parametrize(
    ("before", "name", "weight", "after"),
    [
        ({}, "v1", 100, {"v1": 100}),
        ({"v1": 100}, "v2", 10, {"v1": 90, "v2": 10}),
        ({"v1": 90, "v2": 10}, "v2", 50, {"v1": 50, "v2": 50}),
        ({"v1": 90, "v2": 10}, "v2", 100, {"v2": 100}),
        ({"v1": 60, "v2": 30, "v3": 10}, "v3", 40, {"v1": 40, "v2": 20, "v3": 40}),
        ({"v1": 100}, "v2", 0, {"v1": 100, "v2": 0}),
    ],
)
def test_the_others_share_the_rest_in_proportion(
    before: dict[str, float], name: str, weight: float, after: dict[str, float]
) -> None:
    given_releases = {key: release(int(key[1:]), value) for key, value in before.items()}
    assert weights(with_release(given_releases, name, release(int(name[1:])), weight=weight)) == after


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=5),
    st.floats(0, 100).map(lambda value: round(value, 2)),
)
def test_weights_always_sum_to_100(parts: list[int], weight: float) -> None:
    before = {f"v{index}": release(index + 1, 100 * part / sum(parts)) for index, part in enumerate(parts)}
    after = with_release(before, "new", release(99), weight=weight)
    assert sum(weights(after).values()) == pytest.approx(100, abs=1e-6)
    assert all(value >= 0 for value in weights(after).values())
    assert after["new"].weight_percent == weight


def test_a_release_that_only_shadows_stays() -> None:
    before = {"v1": release(1, 100), "v2": release(2, 0, shadow=20)}
    assert weights(with_release(before, "v3", release(3), weight=100)) == {"v2": 0, "v3": 100}
    kept = with_release(before, "v3", release(3), weight=30)
    assert (kept["v2"].weight_percent, kept["v2"].shadow_percent) == (0, 20)


@pytest.mark.parametrize("weight", [-1, 100.5])
def test_a_weight_out_of_range_says_what_is_allowed(weight: float) -> None:
    with pytest.raises(UserError, match="0 to 100 percent"):
        with_release({"v1": release(1, 100)}, "v2", release(2), weight=weight)


def test_a_canary_needs_somebody_to_take_the_rest() -> None:
    with pytest.raises(UserError, match="leaves 90 percent"):
        with_release({}, "v1", release(1), weight=10)


@pytest.mark.parametrize(
    ("releases", "version"), [({}, None), ({"a": (1, 90), "b": (2, 10)}, 1), ({"a": (1, 0), "b": (2, 100)}, 2)]
)
def test_production_is_what_carries_most(releases: dict[str, tuple[int, float]], version: int | None) -> None:
    assert production({name: release(*pair) for name, pair in releases.items()}, "digits") == version
    assert production({name: release(*pair) for name, pair in releases.items()}, "other") is None


def entry(what: str, before: dict[str, Release], outcome: str = "done") -> dict[str, object]:
    return {"what": what, "outcome": outcome, "before": plain(before)}


def test_a_rollback_goes_to_what_stood_before_the_last_change_that_held() -> None:
    first, second = {"v1": release(1, 100)}, {"v2": release(2, 100)}
    log = [entry("release", {}), entry("release", first), entry("release", second, outcome="refused")]
    assert last_but_one(log, second) == first


@pytest.mark.parametrize("log", [[], [entry("release", {})]])
def test_without_an_earlier_release_a_rollback_says_so(log: list[dict[str, object]]) -> None:
    with pytest.raises(UserError, match="no earlier release"):
        last_but_one(log, {"v1": release(1, 100)})
