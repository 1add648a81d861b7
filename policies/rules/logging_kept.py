"""Logs are written, and kept long enough to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared, platform
from policies.graph import Graph, Node
from policies.resources import UNKNOWN, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.access_logs import DIAGNOSTICS, sends_logs
from policies.rules.optional import flag, mapping, number, records, text, texts
from policies.rules.stores import LIFECYCLE, S3, beside_bucket, receives_logs

DAYS, PRODUCTION_DAYS = 90, 365
"""Where the review's configuration doesn't say."""


def _least(graph: Graph) -> float:
    if graph.parameters.get("log_retention_days") is not None:
        return graph.parameters.number("log_retention_days")
    return PRODUCTION_DAYS if graph.is_production else DAYS


def _short(node: Node, days: float | None, at: str) -> Finding | None:
    return None if days is not None and days >= _least(node.graph) else Finding(at=at, found=days)


@rule(
    "logs-retained",
    Severity.MEDIUM,
    types=("aws:cloudwatch/logGroup:LogGroup",),
    joins=True,
    title="Logs are kept as long as they may be asked for",
    why="An intrusion is found after months; the log that tells how it came must still be there.",
    remedy="Keep them for log_retention_days of policies/enforcement.yaml (a year in production) or longer.",
)
def logs_retained(group: Node) -> Finding | None:
    """A group that says nothing, or 0, keeps its logs for ever."""
    days = number(group, "retentionInDays")
    return None if not days else _short(group, days, "retentionInDays")


def _kept(kind: str, *, is_production: bool = True, **props: Any) -> list[Resource]:
    return [platform(is_production=is_production), declared(kind, "it", **props)]


_GROUP = "aws:cloudwatch/logGroup:LogGroup"

logs_retained.examples(
    good=[
        _kept(_GROUP),
        _kept(_GROUP, retentionInDays=0),
        _kept(_GROUP, retentionInDays=365),
        _kept(_GROUP, is_production=False, retentionInDays=90),
    ],
    bad=[_kept(_GROUP, retentionInDays=90), _kept(_GROUP, is_production=False, retentionInDays=30)],
    unknown=[_kept(_GROUP, retentionInDays=UNKNOWN)],
)


@logs_retained.also(*S3, joins=True)
def _access_logs(bucket: Node) -> Iterator[Finding]:
    """What is delivered to a bucket goes when the bucket's lifecycle says so."""
    if receives_logs(bucket):
        for item in (item for node in beside_bucket(bucket, LIFECYCLE) for item in records(node, "rules")):
            expiration = mapping(item, "expiration")
            days = number(expiration, "days")
            if days and text(item, "status") != "Disabled" and (short := _short(bucket, days, "expiration.days")):
                yield short


def _delivered(days: Any) -> list[Resource]:
    return [
        platform(),
        declared(S3[0], "logs"),
        declared("aws:s3/bucketLogging:BucketLogging", "l", bucket="data", targetBucket=Ref("logs")),
        declared(LIFECYCLE[0], "c", bucket=Ref("logs"), rules=[{"status": "Enabled", "expiration": {"days": days}}]),
    ]


_access_logs.examples(
    good=[_delivered(365), _delivered(None), [platform(), declared(S3[0], "data")]],
    bad=[_delivered(30)],
    unknown=[_delivered(UNKNOWN)],
)


@logs_retained.also("gcp:logging/projectBucketConfig:ProjectBucketConfig", joins=True)
def _google(bucket: Node) -> Finding | None:
    """A bucket that says nothing keeps for 30 days. https://cloud.google.com/logging/quotas#logs_retention_periods"""
    days = number(bucket, "retentionDays")
    return _short(bucket, 30 if days is None else days, "retentionDays")


_BUCKET = "gcp:logging/projectBucketConfig:ProjectBucketConfig"

_google.examples(
    good=[_kept(_BUCKET, retentionDays=365)],
    bad=[_kept(_BUCKET), _kept(_BUCKET, retentionDays=30)],
    unknown=[_kept(_BUCKET, retentionDays=UNKNOWN)],
)


@logs_retained.also("azure-native:operationalinsights:Workspace", joins=True)
def _workspace(workspace: Node) -> Finding | None:
    """-1 is for ever; a workspace that says nothing keeps for 30 days."""
    days = number(workspace, "retentionInDays")
    return None if days == -1 else _short(workspace, 30 if days is None else days, "retentionInDays")


_WORKSPACE = "azure-native:operationalinsights:Workspace"

_workspace.examples(
    good=[_kept(_WORKSPACE, retentionInDays=730), _kept(_WORKSPACE, retentionInDays=-1)],
    bad=[_kept(_WORKSPACE), _kept(_WORKSPACE, retentionInDays=90)],
    unknown=[_kept(_WORKSPACE, retentionInDays=UNKNOWN)],
)


@logs_retained.also("azure-native:network:FlowLog", joins=True)
def _flow_log(log: Node) -> Finding | None:
    """Without a policy, or with 0 days, flow logs stay."""
    policy = mapping(log, "retentionPolicy")
    if not flag(policy, "enabled") or not (days := number(policy, "days")):
        return None
    return _short(log, days, policy.at("days"))


_FLOWS = "azure-native:network:FlowLog"

_flow_log.examples(
    good=[_kept(_FLOWS), _kept(_FLOWS, retentionPolicy={"enabled": True, "days": 365})],
    bad=[_kept(_FLOWS, retentionPolicy={"enabled": True, "days": 7})],
    unknown=[_kept(_FLOWS, retentionPolicy=UNKNOWN)],
)

EKS_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
"""https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html"""


@rule(
    "control-plane-logged",
    Severity.HIGH,
    types=("aws:eks/cluster:Cluster",),
    title="What is asked of a control plane is on record",
    why="Who read a secret or changed a role is in the control plane's logs, and nowhere else.",
    remedy="Turn on all control-plane logs of the cluster; give vaults, registries, workspaces diagnostic settings.",
)
def control_plane_logged(cluster: Node) -> Finding | None:
    given = texts(cluster, "enabledClusterLogTypes")
    return None if set(EKS_LOGS) <= set(given) else Finding(at="enabledClusterLogTypes", found=given or None)


control_plane_logged.examples(
    good=[{"enabledClusterLogTypes": list(EKS_LOGS)}],
    bad=[{}, {"enabledClusterLogTypes": ["api", "audit"]}],
    unknown=[{"enabledClusterLogTypes": UNKNOWN}],
)


@control_plane_logged.also("gcp:container/cluster:Cluster")
def _gke(cluster: Node) -> Finding | None:
    """Audit logs go to Cloud Logging always; the server's own only when asked for."""
    config = mapping(cluster, "loggingConfig")
    given = texts(config, "enableComponents")
    if text(cluster, "loggingService") != "none" and {"SYSTEM_COMPONENTS", "APISERVER"} <= set(given):
        return None
    return Finding(at=config.at("enableComponents"), found=given or None)


_gke.examples(
    good=[{"loggingConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER"]}}],
    bad=[{}, {"loggingConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}}, {"loggingService": "none"}],
    unknown=[{"loggingConfig": UNKNOWN}],
)

AZURE = (
    "azure-native:containerregistry:Registry",
    "azure-native:containerservice:ManagedCluster",
    "azure-native:keyvault:Vault",
    "azure-native:machinelearningservices:OnlineEndpoint",
    "azure-native:machinelearningservices:Workspace",
)


@control_plane_logged.also(*AZURE, joins=True)
def _azure(resource: Node) -> Finding | None:
    """Of AKS the audit log is enough, without the reads that are its bulk."""
    categories = ("kube-audit",), ("kube-audit-admin",)
    is_cluster = resource.is_of("*:ManagedCluster")
    is_sent = any(sends_logs(resource, *each) for each in categories) if is_cluster else sends_logs(resource)
    return None if is_sent else Finding(at="diagnostic setting")


def _diagnosed(kind: str, **log: Any) -> list[Resource]:
    return [declared(kind, "it"), declared(DIAGNOSTICS, "d", resourceUri=Ref("it"), logs=[log])]


_azure.examples(
    good=[
        _diagnosed(AZURE[0], categoryGroup="allLogs", enabled=True),
        _diagnosed(AZURE[2], categoryGroup="audit", enabled=True),
        _diagnosed(AZURE[1], category="kube-audit-admin", enabled=True),
    ],
    bad=[
        [declared(AZURE[0], "it")],
        _diagnosed(AZURE[0], categoryGroup="allLogs", enabled=False),
        _diagnosed(AZURE[1], category="kube-scheduler", enabled=True),
        [
            declared(AZURE[0], "it"),
            declared(DIAGNOSTICS, "d", resourceUri=Ref("other"), logs=[{"categoryGroup": "audit", "enabled": True}]),
        ],
    ],
    unknown=[_diagnosed(AZURE[0], categoryGroup=UNKNOWN, enabled=True)],
)
