"""The pack as the engine talks to it: the real analyzer over gRPC, started as the engine starts it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy.proxy import UNKNOWN_NUMBER_VALUE, UNKNOWN_OBJECT_VALUE

from policies.rules import all_rules

POLICIES = Path(__file__).parents[2] / "policies"
MANDATORY = analyzer_pb2.EnforcementLevel.Value("MANDATORY")
ADVISORY = analyzer_pb2.EnforcementLevel.Value("ADVISORY")


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
                yield analyzer_pb2_grpc.AnalyzerStub(channel)
        finally:
            process.kill()


def analyze(analyzer: Any, type_token: str, props: dict[str, Any]) -> list[tuple[str, int, str]]:
    properties = struct_pb2.Struct()
    properties.update(props)
    urn = f"urn:pulumi:s::skywright::{type_token}::it"
    answer = analyzer.Analyze(
        analyzer_pb2.AnalyzeRequest(type=type_token, name="it", urn=urn, properties=properties), timeout=20
    )
    return sorted((item.policyName, item.enforcementLevel, item.message) for item in answer.diagnostics)


TAGS = {"owner": "a", "cost_center": "b"}
RELEASE = {"model": "m", "weight_percent": 100, "shadow_percent": 0}


def endpoint(*, is_production: bool = True, tags: Any = TAGS, **releases: Any) -> dict[str, Any]:
    return {"isProduction": is_production, "tags": tags, "spec": {"releases": releases}}


def test_the_pack_offers_every_rule(analyzer: Any) -> None:
    info = analyzer.GetAnalyzerInfo(analyzer_pb2.google_dot_protobuf_dot_empty__pb2.Empty(), timeout=20)
    levels = {item.name: item.enforcementLevel for item in info.policies}
    assert levels == {
        "components-owned": ADVISORY,
        "production-budget-acts": MANDATORY,
        "production-components-owned": MANDATORY,
        "release-shares-are-percents": MANDATORY,
        "release-weights-sum-to-100": MANDATORY,
        "releases-approved": MANDATORY,
    }
    assert sorted(levels) == [item.name for item in all_rules()]


def test_a_good_endpoint_passes_and_other_resources_are_left_alone(analyzer: Any) -> None:
    good = endpoint(a={**RELEASE, "approval_ref": "file:///x#sha256=1"})
    assert analyze(analyzer, "skywright:local:ModelEndpoint", good) == []
    assert analyze(analyzer, "pulumi:pulumi:Stack", {}) == []
    assert analyze(analyzer, "pulumi-python:dynamic:Resource", {"spec": 3}) == []


def test_an_unapproved_production_release_is_mandatory(analyzer: Any) -> None:
    found = analyze(analyzer, "skywright:aws:ModelEndpoint", endpoint(a=RELEASE))
    assert [(name, level) for name, level, _ in found] == [("releases-approved", MANDATORY)]
    assert "spec.releases.a.approval_ref is absent. Approve the version with" in found[0][2]


def test_missing_owners_are_advice_in_dev(analyzer: Any) -> None:
    found = analyze(analyzer, "skywright:local:Network", {"isProduction": False, "tags": {}, "spec": {}})
    assert {(name, level) for name, level, _ in found} == {("components-owned", ADVISORY)}


@pytest.mark.parametrize(
    "props",
    [
        endpoint(a={**RELEASE, "approval_ref": "x", "weight_percent": UNKNOWN_NUMBER_VALUE}),
        {**endpoint(), "spec": UNKNOWN_OBJECT_VALUE},
        endpoint(tags=UNKNOWN_OBJECT_VALUE),
    ],
)
def test_what_is_unknown_is_only_advice(analyzer: Any, props: dict[str, Any]) -> None:
    found = analyze(analyzer, "skywright:local:ModelEndpoint", props)
    assert found and {level for _, level, _ in found} == {ADVISORY}
    assert all("during preview" in message for _, _, message in found)


def test_a_resource_of_another_shape_is_a_violation_and_not_a_crash(analyzer: Any) -> None:
    found = analyze(analyzer, "skywright:local:ModelEndpoint", {"isProduction": "yes", "spec": 3, "tags": []})
    assert ("releases-approved", MANDATORY) in [(name, level) for name, level, _ in found]
    assert any("isProduction is str, not true or false" in message for _, _, message in found)


def test_loading_the_rules_costs_little_beside_the_sdk() -> None:
    """Every `up` pays it; the SDK itself is loaded before by the host."""
    code = (
        "import time, pulumi_policy\n"
        "began = time.perf_counter()\n"
        "import policies.__main__, policies.pack\n"
        "policies.pack.policies()\n"
        "import sys; sys.stdout.write(f'{time.perf_counter() - began} '\n"
        '    f\'{[m for m in ("pydantic", "components", "infra", "ml_jobs", "torch") if m in sys.modules]}\')\n'
    )
    began = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    seconds, _, heavy = out.partition(" ")
    assert heavy == "[]"
    assert float(seconds) < 0.4 * (time.perf_counter() - began)
