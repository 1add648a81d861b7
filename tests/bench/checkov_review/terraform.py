"""What AWS's and Google Cloud's resources are to Terraform: a plan, as `terraform show -json` writes it.

Both providers are made of Terraform's. A type's module is mostly a part of its name there; properties are in camel
case, and a block that may stand several times has a plural name. A check looks for the name that it knows: both stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from policies.resources import SECRET, UNKNOWN, Resource

PREFIXES = {"aws": "aws", "gcp": "google"}
MODULES = {
    "aws:alb": "", "aws:apigateway": "api_gateway", "aws:ebs": "ebs", "aws:ec2": "", "aws:lb": "", "aws:vpc": "vpc",
    "gcp:artifactregistry": "artifact_registry", "gcp:cloudfunctionsv2": "cloudfunctions2",
    "gcp:cloudrunv2": "cloud_run_v2", "gcp:organizations": "", "gcp:projects": "project",
    "gcp:secretmanager": "secret_manager", "gcp:serviceaccount": "service_account",
    "gcp:servicenetworking": "service_networking", "gcp:vertex": "vertex",
}  # fmt: skip
"""Modules whose name in Terraform's types is another; empty: no part of it."""
TYPES = {
    "aws:alb/listener:Listener": "aws_lb_listener",
    "aws:alb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:cloudtrail/trail:Trail": "aws_cloudtrail",
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": "aws_ce_anomaly_monitor",
    "aws:costexplorer/anomalySubscription:AnomalySubscription": "aws_ce_anomaly_subscription",
    "aws:lb/listener:Listener": "aws_lb_listener",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:rds/instance:Instance": "aws_db_instance",
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": "google_iam_workload_identity_pool_provider",
    "gcp:serviceaccount/account:Account": "google_service_account",
}
FREE = frozenset(
    {"tags", "labels", "user_labels", "resource_labels", "node_labels", "annotations", "metadata", "variables"}
)
"""Maps whose keys are the user's own."""


def type_of(token: str) -> str:
    """`aws:s3/bucketLogging:BucketLogging` is aws_s3_bucket_logging."""
    if token in TYPES:
        return TYPES[token]
    package, place, kind = token.split(":")
    module = place.split("/")[0]
    own = MODULES.get(f"{package}:{module}", module)
    return "_".join(filter(None, (PREFIXES[package], own, snake(kind).removesuffix("_v2"))))


def snake(name: str) -> str:
    """`URLMap` is url_map, `kmsKeyId` is kms_key_id."""
    parted = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", parted).lower()


def plan(resources: Sequence[Resource], named: Callable[[int], str]) -> dict[str, Any]:
    """Those of both clouds, each by the name that its place in the list gives."""
    shown = [(index, item) for index, item in enumerate(resources) if item.type.split(":")[0] in PREFIXES]
    addresses = {item.urn: f"{type_of(item.type)}.{named(index)}" for index, item in shown if item.urn}
    planned, configured = [], []
    for index, item in shown:
        kind, name = type_of(item.type), named(index)
        head = {"address": f"{kind}.{name}", "mode": "managed", "type": kind, "name": name}
        values, references = _values(item, addresses)
        planned.append(
            {**head, "provider_name": f"registry.terraform.io/hashicorp/{kind.split('_')[0]}", "values": values}
        )
        configured.append({**head, "expressions": {key: {"references": found} for key, found in references.items()}})
    changes = [
        {**item, "change": {"actions": ["create"], "before": None, "after": item["values"], "after_unknown": {}}}
        for item in planned
    ]
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "configuration": {"root_module": {"resources": configured}},
    }


def _values(item: Resource, addresses: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Its arguments, and those that are other resources' outputs: only the reference stands then, as in a plan."""
    values: dict[str, Any] = {}
    references: dict[str, list[str]] = {}
    for key, value in item.props.items():
        found = [addresses[urn] for urn in item.property_dependencies.get(key, ()) if urn in addresses]
        unknown = f"{found[0]}.id" if found else "known_after_apply"
        name = snake(key)
        if found:
            references[name] = [part for address in found for part in (f"{address}.id", address)]
        if len(found) == 1 and (value is UNKNOWN or (isinstance(value, str) and not value.lstrip().startswith("{"))):
            continue
        values.update(_both(name, _plain(value, unknown, is_free=name in FREE)))
    return values, references


def _plain(value: Any, unknown: str, *, is_free: bool = False) -> Any:
    if value is UNKNOWN or value is SECRET:
        return unknown
    if isinstance(value, Mapping):
        made: dict[str, Any] = {}
        for key, inner in value.items():
            name = key if is_free else snake(key)
            made.update(_both(name, _plain(inner, unknown, is_free=name in FREE)))
        return made
    if isinstance(value, list | tuple):
        return [_plain(inner, unknown) for inner in value]
    return value


def _both(name: str, value: Any) -> dict[str, Any]:
    """A list of blocks under its plural name here, and its singular one there."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and name.endswith("s"):
        one = f"{name[:-3]}y" if name.endswith("ies") else name[:-2] if name.endswith("sses") else name[:-1]
        return {name: value, one: value}
    return {name: value}
