"""The pack as the engine talks to it: the real analyzer over gRPC, started as the engine starts it."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from policies import analyzer as analyzing
from policies import enforcement
from policies.readers.values import MASKED
from policies.rules import all_rules
from policies.whole import STACK_RULES

POLICIES = Path(__file__).parents[2] / "policies"
MANDATORY = analyzer_pb2.EnforcementLevel.Value("MANDATORY")
ADVISORY = analyzer_pb2.EnforcementLevel.Value("ADVISORY")
UNKNOWN_NUMBER = "3eeb2bf0-c639-47a8-9e75-3b44932eb421"
UNKNOWN_OBJECT = "dd056dcd-154b-4c76-9bd3-c8f88648b5ff"


@pytest.fixture(scope="module")
def analyzer() -> Iterator[Any]:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(POLICIES)],
        cwd=POLICIES, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port.isdigit()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = analyzer_pb2_grpc.AnalyzerStub(channel)
                configure(stub, "prod")
                yield stub
        finally:
            process.terminate()
            assert process.wait(10) == 0


def configure(analyzer: Any, environment: str) -> None:
    config = {"skywright:environment": environment}
    analyzer.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(stack="s", config=config), timeout=20)


def request(type_token: str, props: dict[str, Any], name: str = "it") -> Any:
    properties = struct_pb2.Struct()
    properties.update(props)
    urn = f"urn:pulumi:s::skywright::{type_token}::{name}"
    return analyzer_pb2.AnalyzeRequest(type=type_token, name=name, urn=urn, properties=properties)


def told(answer: Any) -> list[tuple[str, int, str]]:
    return sorted((item.policyName, item.enforcementLevel, item.message) for item in answer.diagnostics)


def analyze(analyzer: Any, type_token: str, props: dict[str, Any]) -> list[tuple[str, int, str]]:
    answer = analyzer.Analyze(request(type_token, props), timeout=20)
    ours = {"releases-approved", "components-owned", "production-components-owned", "release-weights-sum-to-100"}
    return [item for item in told(answer) if item[0] in ours]


TAGS = {"owner": "a", "cost_center": "b"}
RELEASE = {"model": "m", "weight_percent": 100, "shadow_percent": 0}


def endpoint(*, is_production: bool = True, tags: Any = TAGS, **releases: Any) -> dict[str, Any]:
    return {"isProduction": is_production, "tags": tags, "spec": {"releases": releases}}


def test_the_pack_offers_every_rule_at_the_level_of_the_environment(analyzer: Any) -> None:
    empty = analyzer_pb2.google_dot_protobuf_dot_empty__pb2.Empty()
    demands = enforcement.load()
    for environment in ("prod", "dev"):
        configure(analyzer, environment)
        info = analyzer.GetAnalyzerInfo(empty, timeout=20)
        levels = {item.name: item.enforcementLevel for item in info.policies}
        assert levels == {
            item.name: analyzer_pb2.EnforcementLevel.Value(
                demands.level_of(item.name, item.severity, environment).value.upper()
            )
            for item in (*all_rules(), *STACK_RULES)
        }
    configure(analyzer, "prod")


def test_a_good_endpoint_passes_and_other_resources_are_left_alone(analyzer: Any) -> None:
    good = endpoint(a={**RELEASE, "approval_ref": "file:///x#sha256=1"})
    assert analyze(analyzer, "skywright:local:ModelEndpoint", good) == []
    assert analyze(analyzer, "pulumi:pulumi:Stack", {}) == []
    assert analyze(analyzer, "pulumi-python:dynamic:Resource", {"spec": 3}) == []


def test_an_unapproved_production_release_is_mandatory(analyzer: Any) -> None:
    found = analyze(analyzer, "skywright:aws:ModelEndpoint", endpoint(a=RELEASE))
    assert [(name, level) for name, level, _ in found] == [("releases-approved", MANDATORY)]
    assert "spec.releases.a.approval_ref is absent. Approve the version with" in found[0][2]


def test_what_is_mandatory_in_production_is_advice_in_dev_unless_it_is_critical(analyzer: Any) -> None:
    configure(analyzer, "dev")
    found = analyze(analyzer, "skywright:local:Network", {"isProduction": True, "tags": {}, "spec": {}})
    assert {(name, level) for name, level, _ in found} == {("production-components-owned", ADVISORY)}
    found = analyze(analyzer, "skywright:aws:ModelEndpoint", endpoint(a=RELEASE))
    assert [(name, level) for name, level, _ in found] == [("releases-approved", MANDATORY)]
    configure(analyzer, "prod")


@pytest.mark.parametrize(
    "props",
    [
        endpoint(a={**RELEASE, "approval_ref": "x", "weight_percent": UNKNOWN_NUMBER}),
        {**endpoint(), "spec": UNKNOWN_OBJECT},
        endpoint(tags=UNKNOWN_OBJECT),
        endpoint(tags=MASKED),
    ],
)
def test_what_is_unknown_or_secret_is_only_advice(analyzer: Any, props: dict[str, Any]) -> None:
    found = analyze(analyzer, "skywright:local:ModelEndpoint", props)
    assert found and {level for _, level, _ in found} == {ADVISORY}
    assert all("is not known before the update" in text or "is secret" in text for _, _, text in found)


def test_a_resource_of_another_shape_is_a_violation_and_not_a_crash(analyzer: Any) -> None:
    found = analyze(analyzer, "skywright:local:ModelEndpoint", {"isProduction": "yes", "spec": 3, "tags": []})
    assert ("releases-approved", MANDATORY) in [(name, level) for name, level, _ in found]
    assert any("isProduction is str, not true or false" in message for _, _, message in found)


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> analyzing.Analyzer:
    path = tmp_path / "enforcement.yaml"
    path.write_text(text)
    monkeypatch.setattr(enforcement.load, "__defaults__", (path,))
    made = analyzing.Analyzer(today=datetime.date(2026, 11, 24))
    made.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(stack="s", config={"skywright:environment": "prod"}), None)  # fmt: skip  # noqa: E501
    return made


EXEMPTION = """
version: 1
exemptions:
  - {rule: releases-approved, resource: "it*", reason: a reason that holds, owner: jane, expires: %s}
"""


def test_an_exempted_finding_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = written(tmp_path, monkeypatch, EXEMPTION % "2026-11-24")
    found = told(made.Analyze(request("skywright:aws:ModelEndpoint", endpoint(a=RELEASE)), None))
    mine = [item for item in found if item[0] == "releases-approved"]
    assert [level for _, level, _ in mine] == [ADVISORY]
    assert "Exempted until 2026-11-24 by jane: a reason that holds" in mine[0][2]
    assert told(made.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(), None)) == []


def test_an_expired_exemption_excuses_nothing_and_fails_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = written(tmp_path, monkeypatch, EXEMPTION % "2026-11-23")
    found = told(made.Analyze(request("skywright:aws:ModelEndpoint", endpoint(a=RELEASE)), None))
    assert ("releases-approved", MANDATORY) in [(name, level) for name, level, _ in found]
    stack = told(made.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(), None))
    assert [(name, level) for name, level, _ in stack] == [("exemptions-current", MANDATORY)]
    assert "releases-approved on it*" in stack[0][2]


def test_a_configuration_that_cannot_be_read_stops_the_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = written(tmp_path, monkeypatch, "version: 1\nrules: {no-such-rule: off}\n")
    found = told(made.Analyze(request("pulumi:pulumi:Stack", {}), None))
    assert [(name, level) for name, level, _ in found] == [("review-configuration", MANDATORY)]
    assert "no rule is called 'no-such-rule'" in found[0][2]


INSTANCE = {"instanceType": "m5.2xlarge", "ami": "ami-0"}
"""One at 0.428 USD an hour in Ireland: 312.44 USD a month."""


@pytest.mark.parametrize(("cap", "level"), [(100, MANDATORY), (311, MANDATORY), (10_000, None), (None, None)])
def test_the_months_cap_stops_a_stack_that_costs_more(cap: int | None, level: int | None) -> None:
    made = analyzing.Analyzer(today=datetime.date(2026, 11, 24))
    config = {"skywright:environment": "prod", "skywright:region": "eu-west-1"}
    if cap is not None:
        config["skywright:review"] = json.dumps({"max_monthly_usd": cap})
    made.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(stack="s", config=config), None)
    properties = struct_pb2.Struct()
    properties.update(INSTANCE)
    resource = analyzer_pb2.AnalyzerResource(
        type="aws:ec2/instance:Instance", name="it", urn="urn:pulumi:s::skywright::aws:ec2/instance:Instance::it",
        properties=properties,
    )  # fmt: skip
    found = told(made.AnalyzeStack(analyzer_pb2.AnalyzeStackRequest(resources=[resource]), None))
    mine = [(strength, text) for name, strength, text in found if name == "cost-within-cap"]
    assert [strength for strength, _ in mine] == ([] if level is None else [level])
    assert all("above max_monthly_usd" in text and "it" in text for _, text in mine)


def test_loading_the_rules_loads_none_of_the_platform() -> None:
    """Every `up` pays it; the SDK itself is loaded before by the host."""
    code = (
        "import sys, json, policies.__main__\n"
        "from policies.analyzer import Analyzer\n"
        "Analyzer()\n"
        "names = ('components', 'infra', 'ml_jobs', 'torch', 'rich', 'pulumi_aws', 'boto3')\n"
        "sys.stdout.write(json.dumps([name for name in names if name in sys.modules]))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert json.loads(out.stdout) == []


def test_what_has_no_inputs_may_be_left_out_by_a_target_and_is_only_advice(analyzer: Any) -> None:
    found = analyze(analyzer, "skywright:aws:ModelEndpoint", {})
    assert found and {level for _, level, _ in found} == {ADVISORY}
    assert all("--target leaves it out" in message for _, _, message in found)
