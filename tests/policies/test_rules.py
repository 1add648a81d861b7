"""Every rule against its own truth tables, and against what no rule expects."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contract import KINDS
from components.specs import BudgetSpec, BudgetStep, EndpointSpec
from ml_jobs.contract import Release
from policies import SECRET, UNKNOWN, Resource
from policies.graph import Graph
from policies.rule import Check, Example, Result, Rule, Severity, Status, review, rule
from policies.rules import all_rules

RULES = {item.name: item for item in all_rules()}
CHECKS = {f"{item.name}-{number}": (item, check) for item in RULES.values() for number, check in enumerate(item.checks)}
each_rule = pytest.mark.parametrize("name", RULES)
each_check = pytest.mark.parametrize("name", CHECKS)


def graph_of(check: Check, example: Example) -> Graph:
    if isinstance(example, Mapping):
        return Graph([Resource(check.types[0].replace("*", "local"), "it", example)], is_whole=False)
    return Graph(example)


def said(item: Rule, check: Check, graph: Graph) -> list[Result]:
    """What this one check of the rule says of the whole example."""
    only = Rule(item.name, item.severity, check, title=item.title, why=item.why, remedy=item.remedy)
    return review(graph, [only])


def lacks(item: Rule) -> bool:
    has_tables = all(check.good and check.bad for check in item.checks)
    return not (has_tables and any(check.unknown for check in item.checks) and item.title and item.why and item.remedy)


def test_a_rule_without_examples_is_refused() -> None:
    @rule("bare", Severity.LOW, types=("x:*:y",), title="t", why="w", remedy="r")
    def bare(props: Any) -> None:
        return None

    assert lacks(bare)
    assert [name for name, item in RULES.items() if lacks(item)] == []


@each_check
def test_examples(name: str) -> None:
    item, check = CHECKS[name]
    for example in check.good:
        assert said(item, check, graph_of(check, example)) == [], example
    for example in check.bad:
        results = said(item, check, graph_of(check, example))
        assert results and {found.status for found in results} == {Status.VIOLATED}, example
        assert all(item.remedy in found.message and "\n" not in found.message for found in results)
    for example in check.unknown:
        results = said(item, check, graph_of(check, example))
        assert results and {found.status for found in results} == {Status.UNKNOWN}, example


@each_check
def test_a_check_whose_examples_are_graphs_says_that_it_joins(name: str) -> None:
    _, check = CHECKS[name]
    examples = [*check.good, *check.bad, *check.unknown]
    assert any(not isinstance(example, Mapping) for example in examples) <= check.joins


@each_check
def test_a_rule_looks_only_at_its_own_types(name: str) -> None:
    item, check = CHECKS[name]
    assert said(item, check, Graph([Resource("other:module/type:Type", "b", {})])) == []


KEYS = [
    "spec", "releases", "steps", "tags", "owner", "effect", "weight_percent", "a", "policy", "metadata", "properties",
    "ingress", "rules", "containers", "encryption", "sourceRanges", "publicNetworkAccess", "Statement",
]  # fmt: skip
GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from([UNKNOWN, SECRET]) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def mangled(example: Example, draw: st.DrawFn) -> Iterator[Resource]:
    """The example's resources, one property of each replaced by anything at all."""
    resources = [Resource("x", "it", example)] if isinstance(example, Mapping) else example
    for resource in resources:
        props = dict(resource.props)
        props[draw(st.sampled_from([*props, "spec"]))] = draw(GARBAGE)
        yield Resource(
            resource.type, resource.name, props, resource.urn, resource.parent, resource.options,
            resource.property_dependencies,
        )  # fmt: skip


@each_check
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_rule_ever_crashes(name: str, data: st.DataObject) -> None:
    item, check = CHECKS[name]
    example = data.draw(st.sampled_from([*check.good, *check.bad]))
    resources = list(mangled(example, data.draw))
    if isinstance(example, Mapping):
        resources = [Resource(check.types[0].replace("*", "local"), "it", resources[0].props)]
    for result in said(item, check, Graph(resources, is_whole=check.joins)):
        assert "\n" not in result.message.replace("\\n", "")
        assert "TypeError" not in result.detail and "AttributeError" not in result.detail, result.detail
        assert "KeyError" not in result.detail and "IndexError" not in result.detail, result.detail


def test_a_rule_that_breaks_is_reported_as_failed() -> None:
    @rule("broken", Severity.HIGH, types=("x:*:y",), title="t", why="w", remedy="r")
    def broken(props: Any) -> Any:
        yield from props.get("number")

    found = review(Graph([Resource("x:1:y", "n", {"number": 5})]), [broken])
    assert [item.status for item in found] == [Status.FAILED]
    assert "TypeError" in found[0].message


def test_a_check_that_joins_without_saying_so_is_reported_as_failed() -> None:
    @rule("alone", Severity.HIGH, types=("x:*:y",), title="t", why="w", remedy="r")
    def alone(node: Any) -> Any:
        return node.graph.of("x:*:y") and None

    found = review(Graph([Resource("x:1:y", "n", {})], is_whole=False), [alone])
    assert [item.status for item in found] == [Status.FAILED]


def test_a_secret_is_never_told() -> None:
    @rule("curious", Severity.HIGH, types=("x:*:y",), title="t", why="w", remedy="r")
    def curious(node: Any) -> Any:
        return node.get("password") and None

    found = review(Graph([Resource("x:1:y", "n", {"password": SECRET})]), [curious])
    assert [(item.status, item.detail) for item in found] == [(Status.UNKNOWN, "password is secret")]


def facts(kind: str, spec: Any, **tags: str) -> Resource:
    """A component as `components.contract` declares it."""
    props = {"spec": spec.model_dump(mode="json"), "isProduction": True, "tags": tags}
    return Resource(f"skywright:local:{kind}", kind.lower(), props)


def test_the_facts_that_components_declare_are_what_the_rules_read() -> None:
    release = Release(model="m", version=1, artifact_url="u", artifact_sha256="a" * 64, weight_percent=100)
    notify = BudgetSpec(steps=(BudgetStep.model_validate({"percent": 50, "effect": "notify"}),))
    owned = {"owner": "ml", "cost_center": "1"}
    bad = [facts("ModelEndpoint", EndpointSpec(releases={"a": release}), owner="ml"), facts("BudgetAlarm", notify, **owned)]  # fmt: skip  # noqa: E501
    results = {(item.rule.name, item.at) for item in review(Graph(bad), all_rules())}
    assert results >= {
        ("releases-approved", "spec.releases.a.approval_ref"),
        ("production-budget-acts", "spec.steps"),
        ("production-components-owned", "tags.cost_center"),
    }
    assert {kind.kind for kind in KINDS} >= {"ModelEndpoint", "BudgetAlarm"}


def test_no_module_here_hides_one_of_the_standard_library() -> None:
    """The engine starts the pack with this folder first on sys.path."""
    folder = Path(__file__).parents[2] / "policies"
    names = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not names & sys.stdlib_module_names
