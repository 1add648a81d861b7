"""The decisions: weights, keys, pins, holds, copies."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.local.router.agreement import compare
from ml_jobs.local.router.routing import Limit, NoRelease, SmoothWeights, Table, Target, rendezvous

names = st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=5, unique=True)


@st.composite
def weights(draw):
    chosen = draw(names)
    return [(name, float(draw(st.integers(0, 100)))) for name in chosen[1:]] + [
        (chosen[0], draw(st.integers(1, 100)) * 1.0)
    ]


@given(weights(), st.integers(1, 500))
def test_unkeyed_counts_stay_within_a_few_requests_of_the_weights_at_every_moment(shares, count):
    turns = SmoothWeights(shares)
    taken = Counter(turns.next() for _ in range(count))
    total = sum(weight for _, weight in shares)
    for name, weight in shares:
        assert abs(taken[name] - count * weight / total) <= len(shares)


def test_a_release_of_ten_percent_is_asked_every_tenth_time_not_in_bursts():
    turns = SmoothWeights([("stable", 90), ("canary", 10)])
    order = [turns.next() for _ in range(100)]
    at = [number for number, name in enumerate(order) if name == "canary"]
    assert {later - earlier for earlier, later in itertools.pairwise(at)} == {10}


@pytest.mark.parametrize(
    "shares", [[("a", 90.0), ("b", 10.0)], [("a", 34.0), ("b", 33.0), ("c", 33.0)], [("a", 1.0), ("b", 99.0)]]
)
def test_keyed_shares_are_within_3_points_over_5000_keys(shares):
    taken = Counter(rendezvous(f"user-{number}", shares) for number in range(5000))
    for name, weight in shares:
        assert abs(taken[name] / 50 - weight) < 3


@given(weights(), st.lists(st.text(max_size=12), min_size=1, max_size=60), st.integers(1, 100), st.data())
def test_raising_one_weight_moves_keys_only_to_it(shares, keys, more, data):
    raised = data.draw(st.sampled_from([name for name, _ in shares]))
    after = [(name, weight + more if name == raised else weight) for name, weight in shares]
    for key in keys:
        assert rendezvous(key, after) in (rendezvous(key, shares), raised)


@given(weights(), st.text(max_size=12))
def test_a_key_always_finds_the_same_release_and_never_one_without_weight(shares, key):
    found = rendezvous(key, shares)
    assert found == rendezvous(key, list(reversed(shares)))
    assert dict(shares)[found] > 0


def table(mode="weighted", **shares: tuple[float, float]) -> Table:
    return Table(
        {
            name: Target(name, f"http://{name}", "toy", number, *share)
            for number, (name, share) in enumerate(shares.items(), 1)
        },
        mode,
    )


def test_a_pin_goes_before_the_key_and_a_hold_before_the_pin():
    routes = table("sticky", stable=(100, 0), canary=(0, 0))
    assert routes.choose(key="a").name == "stable"
    assert routes.choose(key="a", pin="canary").name == "canary"
    assert routes.choose(version="2").name == "canary"
    assert routes.choose(version="9").name == "stable"
    assert routes.choose(key="a", pin="canary", limit=Limit(route_to="stable")).name == "stable"


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"pin": "canry"}, 404, "Did you mean canary?"),
        ({"limit": Limit(is_stopped=True, reason="budget at 120 %")}, 503, "budget at 120 %"),
        ({"limit": Limit(route_to="old", reason="bad")}, 503, "not deployed"),
    ],
)
def test_what_can_not_be_routed_is_said(asked, status, words):
    with pytest.raises(NoRelease, match=words) as error:
        table(stable=(90, 0), canary=(10, 0)).choose(**asked)
    assert error.value.status == status


def test_nothing_released_is_503():
    with pytest.raises(NoRelease, match="nothing released") as error:
        Table({}).choose()
    assert error.value.status == 503


def test_questions_about_the_model_take_no_turn_from_the_predictions():
    routes = table(stable=(90, 0), canary=(10, 0))
    taken = []
    for _ in range(100):
        assert routes.choose(is_prediction=False).name == "stable"
        taken.append(routes.choose().name)
    assert taken.count("canary") == 10


def test_key_is_ignored_where_routing_goes_by_weight():
    routes = table(stable=(50, 0), canary=(50, 0))
    assert {routes.choose(key="one").name for _ in range(4)} == {"stable", "canary"}


@pytest.mark.parametrize("percent", [0, 5, 33, 100])
def test_copies_are_exactly_the_percentage_and_never_of_its_own_answers(percent):
    routes = table(stable=(100, 0), next=(0, percent))
    assert sum(len(routes.copies("stable")) for _ in range(1000)) == pytest.approx(10 * percent, abs=1)
    assert not any(routes.copies("next") for _ in range(100))


def answer(name="label", datatype="INT64", shape=(1,), data=(3,)) -> bytes:
    return json.dumps({"outputs": [{"name": name, "datatype": datatype, "shape": shape, "data": data}]}).encode()


def scores(*data: float) -> bytes:
    return answer(datatype="FP32", shape=(1, len(data)), data=data)


@pytest.mark.parametrize(
    ("one", "other", "agrees", "difference"),
    [
        (answer(), answer(), True, 0),
        (answer(), answer(data=(4,)), False, 1),
        (answer(), answer(name="class"), False, None),
        (answer(), answer(shape=(2,), data=(3, 3)), False, None),
        (answer(), b"oops", False, None),
        (scores(0.4, 0.6), scores(0.1, 0.9), True, 0.3),
        (scores(0.4, 0.6), scores(0.6, 0.4), False, 0.2),
        (answer(datatype="FP32", data=(10.0,)), answer(datatype="FP32", data=(10.05,)), True, 0.05),
        (answer(datatype="FP32", data=(10.0,)), answer(datatype="FP32", data=(11.0,)), False, 1),
        (answer(datatype="BYTES", data=("a",)), answer(datatype="BYTES", data=("b",)), False, 0),
    ],
)  # fmt: skip
def test_answers_agree_when_they_decide_the_same(one, other, agrees, difference):
    result = compare(one, other)
    assert result.agrees is agrees
    assert result.max_difference == (None if difference is None else pytest.approx(difference))
