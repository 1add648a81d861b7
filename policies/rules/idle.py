"""Outside production, what nobody uses costs nothing, or little."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.examples import declared, platform
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.optional import mapping, number, records, text
from policies.rules.spot import AGENT_POOL, COMPUTE, KARPENTER, NODE_POOL

MOST_MINUTES = 60
_UNITS = {"s": 1 / 60, "m": 1, "h": 60}


@rule(
    "scales-to-zero",
    Severity.MEDIUM,
    types=("skywright:kubernetes:ModelEndpoint",),
    joins=True,
    title="Outside production an endpoint or a pool falls to zero where its service can",
    why="Most of the hours of a development stack nobody asks it anything.",
    remedy="Set min_replicas to 0, or the pool's least count.",
)
def endpoint_scales_to_zero(endpoint: Node) -> Finding | None:
    """SageMaker, Vertex and Azure ML keep one replica; on a cluster KEDA takes the last one away."""
    return _kept(endpoint)


def _kept(endpoint: Node) -> Finding | None:
    spec = endpoint.mapping("spec")
    if endpoint.flag("isProduction") or not spec.number("min_replicas"):
        return None
    return Finding(at=spec.at("min_replicas"), found=spec.get("min_replicas"))


def _endpoint(least: object, is_production: object = False, kind: str = "kubernetes", **spec: Any) -> list[Resource]:
    facts = {"min_replicas": least, **spec}
    return [declared(f"skywright:{kind}:ModelEndpoint", "endpoint", isProduction=is_production, spec=facts)]


endpoint_scales_to_zero.examples(
    good=[_endpoint(0), _endpoint(2, True)],
    bad=[_endpoint(1), _endpoint(2)],
    unknown=[_endpoint(UNKNOWN), _endpoint(1, UNKNOWN)],
)


@endpoint_scales_to_zero.also(*(f"skywright:{cloud}:ModelEndpoint" for cloud in ("aws", "azure", "gcp")), joins=True)
def cluster_endpoint_scales_to_zero(endpoint: Node) -> Finding | None:
    on_cluster = text(endpoint.mapping("spec"), "runtime") == "kubernetes"
    return _kept(endpoint) if on_cluster else None


cluster_endpoint_scales_to_zero.examples(
    good=[_endpoint(1, kind="aws"), _endpoint(0, kind="gcp", runtime="kubernetes")],
    bad=[_endpoint(1, kind="azure", runtime="kubernetes")],
    unknown=[_endpoint(1, kind="aws", runtime=UNKNOWN), _endpoint(UNKNOWN, kind="aws", runtime="kubernetes")],
)


@endpoint_scales_to_zero.also(NODE_POOL, AGENT_POOL, COMPUTE, joins=True)
def pool_scales_to_zero(pool: Node) -> Iterator[Finding]:
    """Not the pools of a cluster's own system, which has to stand somewhere: those without accelerator stay out."""
    if pool.graph.is_production:
        return
    for holder, key in _least(pool):
        if number(holder, key) != 0:
            yield Finding(at=holder.at(key), found=holder.get(key))


def _least(pool: Node) -> Iterator[tuple[Props, str]]:
    if pool.is_of(NODE_POOL):
        if records(mapping(pool, "nodeConfig"), "guestAccelerators"):
            yield mapping(pool, "autoscaling"), "totalMinNodeCount" if _is_total(pool) else "minNodeCount"
    elif pool.is_of(AGENT_POOL):
        if text(pool, "mode") != "System":
            yield pool, "minCount"
    elif text(mapping(pool, "properties"), "computeType") == "AmlCompute":
        yield mapping(pool, "properties", "properties", "scaleSettings"), "minNodeCount"


def _is_total(pool: Node) -> bool:
    return mapping(pool, "autoscaling").get("totalMinNodeCount") is not None


def _pools(least: object) -> Iterator[list[Resource]]:
    gpus = {"guestAccelerators": [{"type": "nvidia-l4", "count": 1}]}
    compute = {"computeType": "AmlCompute", "properties": {"scaleSettings": {"minNodeCount": least}}}
    made = (
        declared(NODE_POOL, "p", nodeConfig=gpus, autoscaling={"minNodeCount": least}),
        declared(NODE_POOL, "p", nodeConfig=gpus, autoscaling={"totalMinNodeCount": least}),
        declared(AGENT_POOL, "p", mode="User", minCount=least),
        declared(COMPUTE, "p", properties=compute),
    )
    return ([item] for item in made)


pool_scales_to_zero.examples(
    good=[
        *_pools(0),
        *([platform(), *item] for item in _pools(1)),
        [declared(AGENT_POOL, "p", mode="System", minCount=1)],
        [declared(NODE_POOL, "p", nodeConfig={}, autoscaling={"minNodeCount": 1})],
        [declared(COMPUTE, "p", properties={"computeType": "ComputeInstance"})],
    ],
    bad=[*_pools(1), *list(_pools(None))[2:]],
    unknown=[*_pools(UNKNOWN)],
)

INSTANCE = "azure-native:machinelearningservices:Compute"
APPLICATION = "aws:sagemaker/domain:Domain"
WORKBENCH = "gcp:workbench/instance:Instance"
DURATION = re.compile(r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?")


@rule(
    "idle-shutdown",
    Severity.LOW,
    types=(INSTANCE,),
    joins=True,
    title="Machines that people work on, and idle nodes, are shut down within an hour",
    why="A notebook with an accelerator that is forgotten on Friday costs a weekend.",
    remedy="Set the idle time of the compute, notebook or pool to an hour or less.",
)
def idle_shutdown(compute: Node) -> Finding | None:
    if compute.graph.is_production:
        return None
    properties = compute.mapping("properties")
    kind = text(properties, "computeType")
    if kind == "ComputeInstance":
        holder, key = mapping(properties, "properties"), "idleTimeBeforeShutdown"
    elif kind == "AmlCompute":
        holder, key = mapping(properties, "properties", "scaleSettings"), "nodeIdleTimeBeforeScaleDown"
    else:
        return None
    given = text(holder, key)
    minutes = None if given is None else _minutes(holder.at(key), given)
    return None if minutes is not None and minutes <= MOST_MINUTES else Finding(at=holder.at(key), found=given)


def _minutes(at: str, given: str) -> float:
    """ISO 8601."""
    parts = DURATION.fullmatch(given)
    if not parts or not any(parts.groups()):
        raise Malformed(at, given, "a duration such as PT30M")
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return days * 1440 + hours * 60 + minutes + seconds / 60


def _azure(kind: object, time: object, *more: Resource) -> list[Resource]:
    properties = {"idleTimeBeforeShutdown": time, "scaleSettings": {"nodeIdleTimeBeforeScaleDown": time}}
    return [*more, declared(INSTANCE, "c", properties={"computeType": kind, "properties": properties})]


idle_shutdown.examples(
    good=[
        _azure("ComputeInstance", "PT30M"), _azure("AmlCompute", "PT5M"), _azure("AmlCompute", "PT1H"),
        _azure("AmlCompute", "P1D", platform()), _azure("Kubernetes", None),
    ],
    bad=[_azure("ComputeInstance", None), _azure("AmlCompute", "PT2H"), _azure("AmlCompute", "P1D")],
    unknown=[_azure("AmlCompute", UNKNOWN), _azure(UNKNOWN, "PT5M")],
)  # fmt: skip


@idle_shutdown.also(APPLICATION, joins=True)
def studio_shutdown(domain: Node) -> Finding | None:
    """SageMaker Studio's applications; the time is in minutes, 60 at least."""
    if domain.graph.is_production:
        return None
    settings = mapping(
        domain, "defaultUserSettings", "jupyterLabAppSettings", "appLifecycleManagement", "idleSettings"
    )  # fmt: skip
    if text(settings, "lifecycleManagement") != "ENABLED":
        return Finding(at=settings.at("lifecycleManagement"), found=settings.get("lifecycleManagement"))
    minutes = number(settings, "idleTimeoutInMinutes")
    if minutes is None or minutes > MOST_MINUTES:
        return Finding(at=settings.at("idleTimeoutInMinutes"), found=minutes)
    return None


def _studio(idle: object, *more: Resource) -> list[Resource]:
    settings = {"jupyterLabAppSettings": {"appLifecycleManagement": {"idleSettings": idle}}}
    return [*more, declared(APPLICATION, "studio", defaultUserSettings=settings)]


_ENABLED = {"lifecycleManagement": "ENABLED", "idleTimeoutInMinutes": 60}
studio_shutdown.examples(
    good=[_studio(_ENABLED), _studio({}, platform())],
    bad=[_studio({}), _studio(None), _studio({**_ENABLED, "idleTimeoutInMinutes": 600})],
    unknown=[_studio(UNKNOWN), _studio({**_ENABLED, "idleTimeoutInMinutes": UNKNOWN})],
)


@idle_shutdown.also(WORKBENCH, joins=True)
def workbench_shutdown(instance: Node) -> Finding | None:
    """Seconds, as a text in the machine's metadata; none means never."""
    if instance.graph.is_production:
        return None
    metadata = mapping(instance, "gceSetup", "metadata")
    given = text(metadata, "idle-timeout-seconds")
    is_short = given is not None and given.isascii() and given.isdigit() and 0 < int(given) <= MOST_MINUTES * 60
    return None if is_short else Finding(at=metadata.at("idle-timeout-seconds"), found=given)


def _workbench(seconds: object, *more: Resource) -> list[Resource]:
    return [*more, declared(WORKBENCH, "w", gceSetup={"metadata": {"idle-timeout-seconds": seconds}})]


workbench_shutdown.examples(
    good=[_workbench("1800"), _workbench(None, platform())],
    bad=[_workbench(None), _workbench("0"), _workbench("86400"), _workbench("never")],
    unknown=[_workbench(UNKNOWN)],
)


@idle_shutdown.also(KARPENTER, joins=True)
def karpenter_shutdown(pool: Node) -> Finding | None:
    if pool.graph.is_production:
        return None
    disruption = mapping(pool, "spec", "disruption")
    given = text(disruption, "consolidateAfter")
    parts = re.fullmatch(r"(\d+)([smh])", given or "")
    minutes = int(parts[1]) * _UNITS[parts[2]] if parts else None
    return (
        None if minutes is not None and minutes <= MOST_MINUTES else Finding(disruption.at("consolidateAfter"), given)
    )


def _karpenter(after: object, *more: Resource) -> list[Resource]:
    return [*more, declared(KARPENTER, "p", spec={"disruption": {"consolidateAfter": after}})]


karpenter_shutdown.examples(
    good=[_karpenter("5m"), _karpenter("30s"), _karpenter("1h"), _karpenter("Never", platform())],
    bad=[_karpenter("Never"), _karpenter(None), _karpenter("2h")],
    unknown=[_karpenter(UNKNOWN)],
)
