"""Who may do what, what is kept and where: on the graphs of the example stacks, and with limits from outside."""

from __future__ import annotations

from typing import Any

import pytest

from infra.settings import from_file
from policies import SECRET, Resource
from policies.examples import Ref, declared
from policies.graph import Graph
from policies.rule import Result, Status, review
from policies.rules import all_rules
from tests.graph import harness

BY_DEPENDENCIES = {
    "control-plane-logged", "deletion-protected", "namespaces-have-limits", "namespaces-have-quota",
    "pod-security-restricted", "production-storage-versioned", "roles-separate", "sensitive-data-logged", "soft-delete",
    "storage-access-logged", "storage-retained", "storage-versioned",
}  # fmt: skip
"""Of resources without their parents and dependencies these can't tell."""

JUDGED = {
    "containers-not-root", "containers-read-only", "containers-unprivileged", "databases-backed-up", "local-auth-off",
    "logs-retained", "metadata-v2", "no-cluster-admin", "no-long-lived-keys", "no-wildcard-actions",
    "no-wildcard-principals", "regions-allowed", "sensitive-data-capture", "sensitive-data-key",
}  # fmt: skip

EXEMPTED = {
    ("local-auth-off", "registry-insights"),
    ("no-cluster-admin", "training-deployer-cluster"),
}
"""True of the platform itself, and exempted with a reason in policies/enforcement.yaml."""


def judged(resources: list[Resource], *names: str, **parameters: Any) -> list[Result]:
    rules = [item for item in all_rules() if item.name in (names or JUDGED)]
    return review(Graph(resources, parameters=parameters), rules)


def test_every_rule_that_is_judged_here_exists() -> None:
    assert {item.name for item in all_rules()} >= JUDGED | BY_DEPENDENCIES


@pytest.mark.parametrize("stack", ["aws-prod", "aws-cluster", "azure-cluster", "gcp-prod", "kubernetes-prod"])
def test_what_an_update_would_know_of_the_platform_breaks_no_rule(stack: str) -> None:
    """Policies and ids are whole here, which a preview mostly can't see."""
    made = harness.declare(from_file(harness.STACKS / f"Pulumi.{stack}.yaml"))
    results = judged([Resource(item.type, item.name, item.inputs) for item in made.resources])
    found = {(item.rule.name, item.resource.name) for item in results}
    assert found <= EXEMPTED, [item.message for item in results]
    assert ("aws" in stack) <= any("Statement" in str(item.inputs.get("policy")) for item in made.resources)


def bucket(location: str) -> list[Resource]:
    return [declared("gcp:storage/bucket:Bucket", "data", location=location)]


@pytest.mark.parametrize(
    ("location", "allowed", "is_broken"),
    [
        ("EUROPE-WEST4", ["europe-west4"], False),
        ("europe-west4", ["europe-west1", "europe-west4"], False),
        ("us-east1", ["europe-west4"], True),
        ("EU", ["europe-west4"], True),
        ("us-east1", [], True),
        ("us-east1", None, False),
    ],
)
def test_regions_are_those_that_are_listed(location: str, allowed: list[str] | None, is_broken: bool) -> None:
    results = judged(bucket(location), "regions-allowed", allowed_regions=allowed)
    assert [item.status for item in results] == ([Status.VIOLATED] if is_broken else [])


@pytest.mark.parametrize("allowed", ["europe-west4", 5, ["a", 7]])
def test_a_list_of_regions_that_is_none_fails_the_rule(allowed: Any) -> None:
    results = judged(bucket("europe-west4"), "regions-allowed", allowed_regions=allowed)
    assert [item.status for item in results] == [Status.FAILED]


@pytest.mark.parametrize(("least", "is_broken"), [(30, False), (60, False), (61, True)])
def test_logs_are_kept_as_long_as_is_demanded(least: int, is_broken: bool) -> None:
    group = declared("aws:cloudwatch/logGroup:LogGroup", "g", retentionInDays=60)
    results = judged([group], "logs-retained", log_retention_days=least)
    assert [item.status for item in results] == ([Status.VIOLATED] if is_broken else [])


def test_a_key_is_found_and_not_told() -> None:
    key = "AKIAIOSFODNN7EXAMPLE"
    instance = declared("aws:ec2/instance:Instance", "i", userData=f"export AWS_ACCESS_KEY_ID={key}")
    variables = {"variables": {"AWS_SECRET_ACCESS_KEY": SECRET}}
    results = judged([instance, declared("aws:lambda/function:Function", "f", environment=variables)])
    found = [item for item in results if item.rule.name == "no-long-lived-keys"]
    assert [item.status for item in found] == [Status.VIOLATED] * 2
    assert key not in "".join(item.message for item in results)


def test_a_grant_joined_across_the_stack_is_unknown_alone_and_known_together() -> None:
    account = declared("gcp:serviceaccount/account:Account", "own")
    grant = declared("gcp:storage/bucketIAMMember:BucketIAMMember", "a", member=Ref("own"), role="roles/storage.admin")
    assert [item.status for item in judged([grant], "no-wildcard-principals")] == [Status.UNKNOWN]
    assert judged([account, grant], "no-wildcard-principals") == []
