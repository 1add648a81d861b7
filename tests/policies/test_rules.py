"""Every rule against its own truth table, and against what no rule expects."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contract import KINDS
from components.specs import BudgetSpec, BudgetStep, EndpointSpec
from ml_jobs.contract import Release
from policies import UNKNOWN, Resource
from policies.rule import Rule, Severity, Status, review, rule
from policies.rules import all_rules

RULES = {item.name: item for item in all_rules()}
each_rule = pytest.mark.parametrize("name", RULES)


def resource(item: Rule, props: Any, name: str = "it") -> Resource:
    return Resource(item.types[0].replace("*", "local"), name, props)


def test_a_rule_without_examples_is_refused() -> None:
    def lacks(item: Rule) -> bool:
        return not (item.good and item.bad and item.unknown and item.title and item.why and item.remedy)

    @rule("bare", Severity.LOW, types=("x:*:y",), title="t", why="w", remedy="r")
    def bare(props: Any) -> None:
        return None

    assert lacks(bare)
    assert [name for name, item in RULES.items() if lacks(item)] == []


@each_rule
def test_examples(name: str) -> None:
    item = RULES[name]
    for props in item.good:
        assert item.check(resource(item, props)) == [], props
    for props in item.bad:
        results = item.check(resource(item, props))
        assert results and {found.status for found in results} == {Status.VIOLATED}, props
        assert all(found.is_mandatory == item.severity.is_mandatory for found in results)
        assert all(item.remedy in found.message and "\n" not in found.message for found in results)
    for props in item.unknown:
        results = item.check(resource(item, props))
        assert [found.status for found in results] == [Status.UNKNOWN], props
        assert not results[0].is_mandatory


@each_rule
def test_an_absent_fact_never_passes(name: str) -> None:
    """Each fact that a bad example holds, taken away: the rule still objects."""
    item = RULES[name]
    assert item.check(resource(item, {})) != []
    for props in item.bad:
        for key in props:
            less = {other: value for other, value in props.items() if other != key}
            assert item.check(resource(item, less)) != [], (props, key)


@each_rule
def test_a_rule_looks_only_at_its_own_types(name: str) -> None:
    assert RULES[name].check(Resource("aws:s3/bucket:Bucket", "b", {})) == []


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(UNKNOWN) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["spec", "releases", "steps", "tags", "owner", "effect", "weight_percent", "a"]), inner,
        max_size=3),
    max_leaves=6,
)  # fmt: skip


@each_rule
@settings(max_examples=60, deadline=None)
@given(props=st.dictionaries(st.sampled_from(["spec", "isProduction", "tags"]), GARBAGE, max_size=3))
def test_no_rule_ever_crashes(name: str, props: dict[str, Any]) -> None:
    for result in RULES[name].check(resource(RULES[name], props)):
        assert "\n" not in result.message.replace("\\n", "")


def test_a_rule_that_breaks_is_reported_as_failed() -> None:
    @rule("broken", Severity.HIGH, types=("x:*:y",), title="t", why="w", remedy="r")
    def broken(props: Any) -> Any:
        yield from props.get("number")

    found = broken.check(Resource("x:1:y", "n", {"number": 5}))
    assert [(item.status, item.is_mandatory) for item in found] == [(Status.FAILED, True)]
    assert "TypeError" in found[0].message


def facts(kind: str, spec: Any, **tags: str) -> Resource:
    """A component as `components.contract` declares it."""
    props = {"spec": spec.model_dump(mode="json"), "isProduction": True, "tags": tags}
    return Resource(f"skywright:local:{kind}", kind.lower(), props)


def test_the_facts_that_components_declare_are_what_the_rules_read() -> None:
    release = Release(model="m", version=1, artifact_url="u", artifact_sha256="a" * 64, weight_percent=100)
    approved = release.model_copy(update={"approval_ref": "file:///a#sha256=1"})
    notify = BudgetSpec(steps=(BudgetStep.model_validate({"percent": 50, "effect": "notify"}),))
    owned = {"owner": "ml", "cost_center": "1"}
    good = [facts("ModelEndpoint", EndpointSpec(releases={"a": approved}), **owned), facts("BudgetAlarm", BudgetSpec(), **owned)]  # fmt: skip  # noqa: E501
    assert review(good, all_rules()) == []
    bad = [facts("ModelEndpoint", EndpointSpec(releases={"a": release}), owner="ml"), facts("BudgetAlarm", notify, **owned)]  # fmt: skip  # noqa: E501
    results = review(bad, all_rules())
    assert [(item.rule.name, item.at) for item in results] == [
        ("releases-approved", "spec.releases.a.approval_ref"),
        ("production-budget-acts", "spec.steps"),
        ("production-components-owned", "tags.cost_center"),
    ]
    assert {kind.kind for kind in KINDS} >= {"ModelEndpoint", "BudgetAlarm"}


def test_no_module_here_hides_one_of_the_standard_library() -> None:
    """The engine starts the pack with this folder first on sys.path."""
    folder = Path(__file__).parents[2] / "policies"
    names = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not names & sys.stdlib_module_names
