"""A control's state, by what its rules found."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from policies import UNKNOWN
from policies.enforcement import Enforcement, Exemption
from policies.examples import declared, platform
from policies.frameworks import ControlReport, Framework, State, assess
from policies.graph import Graph
from policies.judging import judge
from policies.resources import Props, Resource
from policies.rule import Finding, Rule, Severity, review, rule
from policies.whole import QUOTA

TODAY = datetime.date(2026, 11, 24)


def closed(name: str) -> Rule:
    @rule(name, Severity.HIGH, types=("aws:s3/bucket:Bucket",), title="t", why="w", remedy="r")
    def check(props: Props) -> Finding | None:
        return None if props.flag("closed") else Finding("closed", False)

    return check


CLOSED = closed("closed")


def framework(*controls: dict[str, Any], types: tuple[str, ...] = ()) -> Framework:
    known = {"id": "f", "name": "F", "version": "1", "source": "https://example.com/f", "types": types}
    checked = {"date": TODAY, "against": ["another list"]}
    return Framework.model_validate(
        {**known, "checked": checked, "controls": [{"title": "t", **item} for item in controls]}
    )


def bucket(name: str = "data", closed: Any = True, type: str = "aws:s3/bucket:Bucket") -> Resource:
    return declared(type, name, closed=closed)


def reports(
    asked: Framework, *resources: Resource, rules: tuple[Rule, ...] = (CLOSED,), exempted: str | None = None
) -> tuple[ControlReport, ...]:
    graph = Graph(resources)
    exemption = Exemption(
        rule="closed", resource=exempted or "none", reason="a reason that holds", owner="jane", expires=TODAY
    )
    demands = Enforcement(version=1, exemptions=(exemption,))
    verdicts = judge(review(graph, rules), demands, stack="s", environment="prod", today=TODAY)
    return assess(asked, graph, verdicts, rules)


def only(asked: Framework, *resources: Resource, **more: Any) -> ControlReport:
    (report,) = reports(asked, *resources, **more)
    return report


JUDGED = framework({"id": "1", "rules": ["closed"]})
SHARED = framework({"id": "1", "rules": ["closed"], "needs_person": "the door"})


def test_met_names_the_rules_and_what_they_examined() -> None:
    report = only(JUDGED, bucket(), bucket("logs"), declared("aws:sns/topic:Topic", "t"))
    assert (report.state, report.rules, report.look_at) == (State.MET, ("closed",), None)
    assert [item.name for item in report.examined] == ["data", "logs"]


def test_one_violation_breaks_a_control_whoever_else_looks_at_it() -> None:
    for asked in (JUDGED, SHARED):
        report = only(asked, bucket(), bucket("logs", False))
        assert report.state is State.BROKEN
        assert [(line.resource, line.at) for line in report.findings] == [("logs", "closed")]


def test_what_a_rule_can_not_judge_breaks_a_control_too() -> None:
    assert only(JUDGED, bucket(closed="yes")).state is State.BROKEN


def test_a_control_that_code_can_not_judge_whole_needs_a_person_and_shows_the_evidence() -> None:
    report = only(SHARED, bucket())
    assert (report.state, report.look_at) == (State.NEEDS_PERSON, "the door")
    assert report.rules == ("closed",) and report.examined
    assert only(framework({"id": "1", "needs_person": "the door"}), bucket()).look_at == "the door"


def test_an_exempted_finding_is_listed_and_needs_a_person() -> None:
    report = only(JUDGED, bucket(closed=False), exempted="data")
    assert report.state is State.NEEDS_PERSON
    assert [line.status for line in report.findings] == ["exempted"]
    assert report.look_at is not None and "exempted" in report.look_at


def test_what_is_not_known_yet_needs_a_person() -> None:
    report = only(JUDGED, bucket(closed=UNKNOWN))
    assert report.state is State.NEEDS_PERSON and [line.status for line in report.findings] == ["unknown"]


def test_a_rule_that_is_off_is_no_evidence() -> None:
    report = only(JUDGED, bucket(), rules=())
    assert report.state is State.NEEDS_PERSON and report.look_at == "rules that did not run: closed"


def test_nothing_to_look_at_is_not_applicable() -> None:
    report = only(JUDGED, declared("aws:sns/topic:Topic", "t"))
    assert (report.state, report.examined, report.rules) == (State.NOT_APPLICABLE, (), ())


def test_another_clouds_framework_is_not_applicable_persons_included() -> None:
    asked = framework({"id": "1", "needs_person": "the account"}, types=("gcp:*",))
    assert only(asked, bucket()).state is State.NOT_APPLICABLE


def test_a_control_looks_only_at_its_own_resources() -> None:
    asked = framework(
        {"id": "1", "rules": ["closed"], "types": ["aws:s3/*"]},
        {"id": "2", "rules": ["closed"], "types": ["aws:rds/*"]},
    )
    states = [item.state for item in reports(asked, bucket(closed=False))]
    assert states == [State.BROKEN, State.NOT_APPLICABLE]


@pytest.mark.parametrize(("is_production", "state"), [(True, State.MET), (False, State.NOT_APPLICABLE)])
def test_a_rule_of_production_is_no_evidence_elsewhere(is_production: bool, state: State) -> None:
    asked = framework({"id": "1", "rules": ["production-closed"]})
    found = only(asked, platform(is_production=is_production), bucket(), rules=(closed("production-closed"),))
    assert found.state is state


@pytest.mark.parametrize(("data", "state"), [("health", State.MET), ("public", State.NOT_APPLICABLE)])
def test_a_rule_of_sensitive_data_is_no_evidence_elsewhere(data: str, state: State) -> None:
    asked = framework({"id": "1", "rules": ["sensitive-data-closed"]})
    rules = (closed("sensitive-data-closed"),)
    assert only(asked, platform(data_classification=data), bucket(), rules=rules).state is state


def test_a_rule_about_the_whole_stack_examines_the_stack() -> None:
    report = only(framework({"id": "1", "rules": [QUOTA.name]}), bucket(), rules=(QUOTA,))
    assert report.state is State.MET and [item.name for item in report.examined] == ["the whole stack"]
