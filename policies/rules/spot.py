"""What spot capacity needs beside it: a place for checkpoints, which is cleared up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Graph, Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import all_of
from policies.rules.optional import flag, mapping, records, text, texts
from policies.rules.stores import ACCOUNT, GCS, LIFECYCLE, MANAGEMENT, S3, beside_account, beside_bucket

CHECKPOINTS = "checkpoint"
"""What the name of a store for checkpoints, or of a part of one, has in it."""


@rule(
    "spot-checkpoints",
    Severity.HIGH,
    types=("skywright:*:TrainingCluster",),
    joins=True,
    title="Spot capacity comes with a store for checkpoints, which is cleared up",
    why="A job that loses its machine without a checkpoint starts anew, and checkpoints that nobody clears pile up.",
    remedy="Declare storage with keep_checkpoints_days, and on it a lifecycle that deletes old checkpoints.",
)
def spot_checkpoints(training: Node) -> Finding | None:
    spot = [name for name, pool in training.mapping("spec").mapping("pools").mappings() if flag(pool, "is_spot")]
    return _lacking(training.graph, f"spec.pools.{spot[0]}.is_spot") if spot else None


def _lacking(graph: Graph, at: str) -> Finding | None:
    kept = [storage.mapping("spec").number("keep_checkpoints_days") for storage in all_of(graph, "skywright:*:Storage")]
    buckets = [node for node in all_of(graph, *S3, GCS) if CHECKPOINTS in _names(node)]
    accounts = [node for node in all_of(graph, ACCOUNT) if _has_container(node)]
    if not (kept or buckets or accounts):
        return Finding(at=at, found="True, without a store for checkpoints")
    if any(days <= 0 for days in kept):
        return Finding(at=at, found="True, and checkpoints are kept no day")
    if (buckets or accounts) and not any(_is_cleared(node) for node in (*buckets, *accounts)):
        return Finding(at=at, found=f"True, and nothing clears {(buckets or accounts)[0].resource.name}")
    return None


def _names(node: Node) -> str:
    """As far as they are known."""
    given = node.resource.props.get("bucket") or node.resource.props.get("name")
    return f"{node.resource.name} {given if isinstance(given, str) else ''}".lower()


def _has_container(account: Node) -> bool:
    containers = beside_account(account, "azure-native:storage:BlobContainer")
    return any(CHECKPOINTS in f"{it.resource.name} {it.resource.props.get('containerName')}" for it in containers)


def _is_cleared(node: Node) -> bool:
    if node.is_of(*S3):
        settings = beside_bucket(node, LIFECYCLE)
        return any(_expires(item) for setting in settings for item in records(setting, "rules"))
    if node.is_of(GCS):
        return any(_deletes(item) for item in records(node, "lifecycleRules"))
    policies = [mapping(item, "policy") for item in beside_account(node, MANAGEMENT)]
    return any(_forgets(item) for policy in policies for item in records(policy, "rules"))


def _expires(item: Props) -> bool:
    return text(item, "status") == "Enabled" and mapping(item, "expiration").get("days") is not None


def _deletes(item: Props) -> bool:
    is_delete = text(mapping(item, "action"), "type") == "Delete"
    return is_delete and mapping(item, "condition").get("age") is not None


def _forgets(item: Props) -> bool:
    definition = mapping(item, "definition")
    prefixes = texts(mapping(definition, "filters"), "prefixMatch")
    is_theirs = not prefixes or any(CHECKPOINTS in prefix for prefix in prefixes)
    is_on = flag(item, "enabled") is not False
    return is_on and is_theirs and mapping(definition, "actions", "baseBlob").get("delete") is not None


def _training(is_spot: object = True) -> Resource:
    pools = {"a": {"is_spot": False}, "b": {"is_spot": is_spot}}
    return declared("skywright:aws:TrainingCluster", "training", spec={"pools": pools})


def _storage(days: object = 14) -> Resource:
    return declared("skywright:aws:Storage", "storage", spec={"keep_checkpoints_days": days})


def _bucket(rules: object) -> list[Resource]:
    return [
        declared("aws:s3/bucket:Bucket", "storage-checkpoints"),
        declared(LIFECYCLE[0], "lifecycle", bucket=Ref("storage-checkpoints"), rules=rules),
    ]


def _gcs(rules: object) -> Resource:
    return declared(GCS, "checkpoints", lifecycleRules=rules)


def _azure(**rule: Any) -> list[Resource]:
    container = declared(
        "azure-native:storage:BlobContainer", "c", accountName=Ref("account"), containerName="checkpoints"
    )
    policy = {"rules": [rule]}
    return [
        declared(ACCOUNT, "account"), container, declared(MANAGEMENT, "m", accountName=Ref("account"), policy=policy)
    ]  # fmt: skip


_EXPIRE = {"status": "Enabled", "expiration": {"days": 14}}
_DELETE = {"action": {"type": "Delete"}, "condition": {"age": 14}}
_FORGET = {"definition": {"actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 14}}}}}
_ELSEWHERE = {"definition": {**_FORGET["definition"], "filters": {"prefixMatch": ["data/"]}}}
spot_checkpoints.examples(
    good=[
        [_training(False)],
        [_training(), _storage()],
        [_training(), _storage(), *_bucket([{"status": "Enabled"}, _EXPIRE])],
        [_training(), _gcs([_DELETE])],
        [_training(), *_azure(**_FORGET)],
    ],
    bad=[
        [_training()],
        [_training(), _storage(0)],
        [_training(), _storage(), *_bucket([])],
        [_training(), _storage(), *_bucket([{**_EXPIRE, "status": "Disabled"}])],
        [_training(), declared("aws:s3/bucket:Bucket", "checkpoints")],
        [_training(), declared("aws:s3/bucket:Bucket", "data")],
        [_training(), _gcs([{"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 1}}])],
        [_training(), *_azure(**_ELSEWHERE)],
        [_training(), *_azure(enabled=False, **_FORGET)],
    ],
    unknown=[
        [_training(UNKNOWN)],
        [_training(), _storage(UNKNOWN)],
        [_training(), *_bucket(UNKNOWN)],
        [_training(), _gcs(UNKNOWN)],
    ],
)

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
NODE_POOL = "gcp:container/nodePool:NodePool"
AGENT_POOL = "azure-native:containerservice:AgentPool"
COMPUTE = "azure-native:machinelearningservices:Compute"
KARPENTER = "kubernetes:karpenter.sh/*:NodePool"


@spot_checkpoints.also(NODE_GROUP, NODE_POOL, AGENT_POOL, COMPUTE, KARPENTER, joins=True)
def pool_checkpoints(pool: Node) -> Iterator[Finding]:
    for holder, key, is_spot in _capacity(pool):
        if is_spot and (finding := _lacking(pool.graph, holder.at(key))):
            yield finding


def _capacity(pool: Node) -> Iterator[tuple[Props, str, bool]]:
    if pool.is_of(NODE_GROUP):
        yield pool, "capacityType", text(pool, "capacityType") == "SPOT"
    elif pool.is_of(NODE_POOL):
        config = mapping(pool, "nodeConfig")
        for key in ("spot", "preemptible"):
            yield config, key, bool(flag(config, key))
    elif pool.is_of(AGENT_POOL):
        yield pool, "scaleSetPriority", text(pool, "scaleSetPriority") == "Spot"
    elif pool.is_of(COMPUTE):
        config = mapping(pool, "properties", "properties")
        yield config, "vmPriority", text(config, "vmPriority") == "LowPriority"
    else:
        for need in records(mapping(pool, "spec", "template", "spec"), "requirements"):
            if text(need, "key") == "karpenter.sh/capacity-type":
                yield need, "values", "spot" in texts(need, "values")


def _pools(spot: bool) -> list[Resource]:
    need = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot" if spot else "on-demand"]}
    return [
        declared(NODE_GROUP, "p", capacityType="SPOT" if spot else "ON_DEMAND"),
        declared(NODE_POOL, "p", nodeConfig={"spot": spot}),
        declared(NODE_POOL, "p", nodeConfig={"preemptible": spot}),
        declared(AGENT_POOL, "p", scaleSetPriority="Spot" if spot else "Regular"),
        declared(COMPUTE, "p", properties={"properties": {"vmPriority": "LowPriority" if spot else "Dedicated"}}),
        declared(KARPENTER, "p", spec={"template": {"spec": {"requirements": [need]}}}),
    ]


pool_checkpoints.examples(
    good=[*([pool] for pool in _pools(False)), *([pool, _storage()] for pool in _pools(True))],
    bad=[*([pool] for pool in _pools(True)), [_pools(True)[0], *_bucket([])]],
    unknown=[
        [declared(NODE_GROUP, "p", capacityType=UNKNOWN)],
        [declared(NODE_POOL, "p", nodeConfig=UNKNOWN)],
        [declared(AGENT_POOL, "p", scaleSetPriority=UNKNOWN)],
        [_pools(True)[0], _storage(UNKNOWN)],
    ],
)
