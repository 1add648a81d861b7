"""Rules of operation on what the examples truly declare, with releases and limits that break them."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import yaml

from infra.reading import declared
from infra.settings import load
from policies.graph import Graph
from policies.resources import UNKNOWN, Resource
from policies.rule import Result, Status, review
from policies.rules import all_rules
from policies.rules.stores import LIFECYCLE
from tests.graph.harness import STACKS

MINE = (
    "accelerator-price-within-limit", "accelerators-within-limit", "budget-declared", "charts-pinned",
    "endpoint-alarms", "endpoint-not-spot", "endpoint-rolls-back", "idle-shutdown", "image-tags-immutable",
    "images-by-digest", "images-scanned", "production-replicas", "production-zones", "release-lineage",
    "releases-verified", "resources-tagged", "scales-to-zero", "spot-checkpoints",
)  # fmt: skip
RULES = {item.name: item for item in all_rules() if item.name in MINE}
ARTIFACTS = {
    "aws": "s3://skywright-models/m",
    "gcp": "gs://skywright-models/m",
    "azure": "abfss://artifacts@models.dfs.core.windows.net/m",
    "kubernetes": "s3://skywright-models/m",
}
SCALED = "kubernetes:keda.sh/v1alpha1:ScaledObject"
PRODUCTION = ("aws-prod", "gcp-prod", "azure-prod", "kubernetes-prod", "aws-cluster", "gcp-cluster", "azure-cluster")


@functools.cache
def stack(name: str) -> tuple[Resource, ...]:
    """The example with two releases."""
    config = yaml.safe_load((STACKS / f"Pulumi.{name}.yaml").read_text())["config"]
    section = config.setdefault("skywright:endpoint", {})
    release = {
        "model": "m", "version": 1, "artifact_url": ARTIFACTS[config["skywright:cloud"]], "artifact_sha256": "a" * 64,
        "image_digest": "sha256:" + "b" * 64, "approval_ref": "s3://log#sha256=1", "weight_percent": 90,
    }  # fmt: skip
    section["releases"] = {"v1": release, "v2": {**release, "version": 2, "weight_percent": 10}}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return tuple(declared(load(texts, stack=name)))


def found(resources: Sequence[Resource], *names: str, **parameters: Any) -> list[Result]:
    return review(Graph(resources, parameters=parameters), [RULES[name] for name in names or RULES])


def changed(resources: Sequence[Resource], type_token: str, **props: Any) -> list[Resource]:
    """Every resource of the type with other properties."""
    assert any(item.type == type_token for item in resources)
    return [replace(it, props={**it.props, **props}) if it.type == type_token else it for it in resources]


def facts(resources: Sequence[Resource], kind: str, **spec: Any) -> list[Resource]:
    """The component of this kind with another spec."""
    return [
        replace(it, props={**it.props, "spec": {**it.props["spec"], **spec}})
        if it.type.startswith("skywright:") and it.type.endswith(f":{kind}")
        else it
        for it in resources
    ]


def test_every_rule_of_operation_is_there() -> None:
    assert set(RULES) == set(MINE)


@pytest.mark.parametrize("name", PRODUCTION)
def test_production_breaks_no_rule_but_on_images_that_others_publish(name: str) -> None:
    results = found(stack(name))
    assert {(item.rule.name, item.resource.name) for item in results} <= {
        ("images-by-digest", "budget-actor"),
        ("images-by-digest", "registry-server"),
    }


@pytest.mark.parametrize(
    ("name", "kind", "spec", "broken"),
    [
        ("aws-prod", "Network", {"zones": 1}, "production-zones"),
        ("gcp-prod", "ModelEndpoint", {"min_replicas": 1}, "production-replicas"),
        ("azure-prod", "ModelEndpoint", {"is_spot": True}, "endpoint-not-spot"),
        ("kubernetes-prod", "Monitoring", {"alerts": [], "slos": []}, "endpoint-alarms"),
        ("aws-prod", "Storage", {"keep_checkpoints_days": 0}, "spot-checkpoints"),
        ("gcp-prod", "BudgetAlarm", {"monthly_limit_usd": 0}, "budget-declared"),
        ("azure-prod", "ModelEndpoint", {"releases": {"v1": {}}}, "release-lineage"),
        ("aws-prod", "ModelEndpoint", {"releases": {}}, "releases-verified"),
    ],
)
def test_a_fact_that_breaks_a_rule_is_found(name: str, kind: str, spec: dict[str, Any], broken: str) -> None:
    results = found(facts(stack(name), kind, **spec), broken)
    assert results and {item.status for item in results} == {Status.VIOLATED}


@pytest.mark.parametrize(
    ("name", "type_token", "props", "broken"),
    [
        ("aws-prod", "aws:ecr/repository:Repository", {"imageTagMutability": "MUTABLE"}, "image-tags-immutable"),
        ("aws-prod", "aws:ecr/repository:Repository", {"imageScanningConfiguration": {}}, "images-scanned"),
        ("gcp-prod", "gcp:artifactregistry/repository:Repository", {"dockerConfig": {}}, "image-tags-immutable"),
        ("aws-prod", "aws:sagemaker/endpoint:Endpoint", {"deploymentConfig": {}}, "endpoint-rolls-back"),
        ("aws-prod", "aws:sagemaker/endpoint:Endpoint", {"name": "other"}, "endpoint-alarms"),
        ("aws-prod", "aws:sagemaker/model:Model", {"primaryContainer": {"image": "s:1"}}, "images-by-digest"),
        ("aws-prod", "aws:sagemaker/model:Model", {"vpcConfig": {"subnets": ["a"]}}, "production-zones"),
        ("aws-prod", "aws:appautoscaling/target:Target", {"minCapacity": 1}, "production-replicas"),
        ("aws-prod", LIFECYCLE[0], {"rules": []}, "spot-checkpoints"),
        ("gcp-prod", "gcp:storage/bucket:Bucket", {"lifecycleRules": []}, "spot-checkpoints"),
        ("azure-prod", "azure-native:storage:ManagementPolicy", {"policy": {"rules": []}}, "spot-checkpoints"),
        ("azure-prod", "azure-native:consumption:Budget", {"notifications": {}}, "budget-declared"),
        ("gcp-prod", "gcp:storage/bucket:Bucket", {"labels": {}}, "resources-tagged"),
        ("aws-cluster", "kubernetes:helm.sh/v3:Release", {"version": "^1"}, "charts-pinned"),
        ("kubernetes-prod", SCALED, {"spec": {"minReplicaCount": 1}}, "production-replicas"),
        ("gcp-cluster", "gcp:container/cluster:Cluster", {"location": "europe-west4-b"}, "production-zones"),
    ],
)  # fmt: skip
def test_a_property_that_breaks_a_rule_is_found(name: str, type_token: str, props: dict[str, Any], broken: str) -> None:
    before = {(item.resource.name, item.at) for item in found(stack(name), broken)}
    results = found(changed(stack(name), type_token, **props), broken)
    fresh = [item for item in results if (item.resource.name, item.at) not in before]
    assert fresh and {item.status for item in fresh} == {Status.VIOLATED}


@pytest.mark.parametrize(
    ("name", "type_token", "key"),
    [
        ("aws-prod", "aws:sagemaker/model:Model", "primaryContainer"),
        ("gcp-prod", "pulumi-python:dynamic/gcp:VertexDeployments", "releases"),
        ("azure-prod", "azure-native:machinelearningservices:OnlineDeployment", "properties"),
        ("kubernetes-prod", "kubernetes:serving.kserve.io/v1beta1:InferenceService", "spec"),
    ],
)
def test_what_serves_is_not_verified_while_it_is_unknown(name: str, type_token: str, key: str) -> None:
    results = found(changed(stack(name), type_token, **{key: UNKNOWN}), "releases-verified")
    assert results and {item.status for item in results} == {Status.UNKNOWN}


@pytest.mark.parametrize(("limit", "count"), [(None, 0), (42, 0), (41, 1), (0, 1)])
def test_accelerators_are_counted_at_their_most(limit: int | None, count: int) -> None:
    """aws-prod: 2 and 8 machines with one, 4 with eight."""
    parameters = {} if limit is None else {"max_accelerators": limit}
    assert len(found(stack("aws-prod"), "accelerators-within-limit", **parameters)) == count


def test_a_served_accelerator_counts_for_each_release() -> None:
    """aws-cluster: pools of 4 with one and 4 with eight, two releases of up to 10 replicas."""
    assert found(stack("aws-cluster"), "accelerators-within-limit", max_accelerators=36 + 20) == []
    assert found(stack("aws-cluster"), "accelerators-within-limit", max_accelerators=36 + 19)


def test_a_price_above_the_limit_is_found_and_an_unknown_one_is_not_taken_for_low() -> None:
    name, limit = "accelerator-price-within-limit", "max_usd_per_accelerator_hour"
    assert found(stack("aws-prod"), name) == []
    assert {item.status for item in found(stack("aws-prod"), name, **{limit: 0.01})} >= {Status.VIOLATED}
    elsewhere = changed(stack("aws-prod"), "skywright:aws:TrainingCluster", region="mars-north-1")
    assert {item.status for item in found(elsewhere, name, **{limit: 1000})} == {Status.UNKNOWN}


def test_a_cluster_that_the_user_brings_has_no_price() -> None:
    limited = {"max_usd_per_accelerator_hour": 0.01}
    assert found(stack("kubernetes-prod"), "accelerator-price-within-limit", **limited) == []


def test_a_stack_may_give_itself_a_lower_limit_but_no_higher_one() -> None:
    name = "accelerators-within-limit"
    for tag, limit, is_broken in (("41", 100, True), ("100", 41, True), ("100", 42, False)):
        tagged = changed(stack("aws-prod"), "skywright:aws:Network", tags={"max_accelerators": tag})
        assert bool(found(tagged, name, max_accelerators=limit)) is is_broken


def test_more_zones_and_replicas_can_be_demanded() -> None:
    assert found(stack("aws-prod"), "production-zones", min_zones=3) == []
    assert found(stack("aws-prod"), "production-zones", min_zones=4)
    assert found(stack("gcp-prod"), "production-replicas", min_replicas=3)


def test_a_stack_of_development_is_asked_to_fall_to_zero() -> None:
    results = found(stack("kubernetes-dev"), "scales-to-zero")
    assert [(item.resource.name, item.at) for item in results] == [("endpoint", "spec.min_replicas")]
    assert found(facts(stack("kubernetes-dev"), "ModelEndpoint", min_replicas=0), "scales-to-zero") == []
    assert found(stack("aws-dev"), "scales-to-zero") == []


def test_what_the_cloud_can_not_do_is_not_asked_of_it() -> None:
    assert set(RULES["endpoint-rolls-back"].clouds) == {"aws"}
    assert "azure-native" not in RULES["images-scanned"].clouds
