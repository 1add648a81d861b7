"""SageMaker's instances: by exact type and use, in all of a use, and in one job or endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.graph import Graph, Node
from policies.quota.counting import guarded, plain_value, records_if_any, text, unknown
from policies.quota.model import Combine, Demand, of_quota
from policies.quota.pools import Pool, pools_of, replicas_of, runtime_of, whole
from policies.resources import Props

CONFIG = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
TARGET = "aws:appautoscaling/target:Target"
SERVING = "skywright:aws:ModelEndpoint"
TRAINING = "skywright:aws:TrainingCluster"

UNRELEASED = "nothing is released yet: one release at its largest is counted"
TWO_FLEETS = "while an update goes on, the old and the new fleet stand side by side: up to twice as many"
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_BlueGreenUpdatePolicy.html"""

FALLS_BACK = "a job that gives up waiting for spot needs its instances of the on-demand quota, which isn't counted"


def training(graph: Graph, region: str | None, *, keeps_warm_pools: bool = False) -> Iterator[Demand]:
    """Jobs are submitted, not declared: every pool full at once, and a job that takes all of its pool."""

    def pools(node: Node) -> Iterator[Demand]:
        if runtime_of(node) == "managed":
            for pool in pools_of(node, "aws", region):
                yield from _pool(pool, keeps_warm_pools)

    yield from guarded(graph.of(TRAINING), pools, "aws", "sagemaker", "training instances")


def endpoints(graph: Graph, region: str | None) -> Iterator[Demand]:
    """Declared endpoints as they are, at the most that their scaling allows; else what the neutral spec would make."""
    configs = graph.of(CONFIG)
    scaled = graph.of(TARGET)
    yield from guarded(
        configs, lambda node: _configured(node, scaled), "aws", "sagemaker", "instances or concurrency of endpoints"
    )
    if not configs:

        def neutral(node: Node) -> Iterator[Demand]:
            if runtime_of(node) == "managed":
                yield from _replicas(replicas_of(node, "aws", region))

        yield from guarded(graph.of(SERVING), neutral, "aws", "sagemaker", "endpoint instances")


def _pool(pool: Pool, is_kept_warm: bool) -> Iterator[Demand]:
    use = "spot training job" if pool.is_spot else "training job"
    if not pool.machines:
        yield unknown("aws", "sagemaker", f"{use} instances", pool.resource, pool.note, unit="instances")
    else:
        note = FALLS_BACK if pool.is_spot else ""
        yield _instances(f"{pool.machines[0].name} for {use} usage", pool.count, pool.resource, note=note)
        if is_kept_warm and not pool.is_spot:
            yield _instances(f"{pool.machines[0].name} for training warm pool usage", pool.count, pool.resource)
    yield _instances(f"Number of instances across all {use}s", pool.count, pool.resource)
    yield _instances(
        f"Maximum number of instances per {use}", pool.count, pool.resource, combine=Combine.MAX,
        note="a job may take all of its pool",
    )  # fmt: skip


def _replicas(pool: Pool) -> Iterator[Demand]:
    if pool.machines:
        yield from _served(pool.resource, {pool.machines[0].name: pool.count}, UNRELEASED)
    else:
        yield unknown("aws", "sagemaker", "endpoint instances", pool.resource, pool.note, unit="instances")


def _configured(config: Node, scaled: list[Node]) -> Iterator[Demand]:
    name = config.resource.name
    most = _most(config, scaled)
    needed: dict[str, int] = {}
    concurrency = 0
    for kind in ("productionVariants", "shadowProductionVariants"):
        for variant in records_if_any(config, kind):
            serverless = variant.get("serverlessConfig")
            if isinstance(serverless, Props):
                concurrency += whole(serverless.number("maxConcurrency"))
                continue
            least = whole(variant.number("initialInstanceCount"))
            machine = text(variant, "instanceType")
            most_here = most.get(str(plain_value(variant, "variantName")), least)
            needed[machine] = needed.get(machine, 0) + max(least, most_here)
    if needed:
        yield from _served(name, needed, TWO_FLEETS)
    if concurrency:
        yield of_quota("aws", "sagemaker", "Maximum number of serverless endpoints", 1, name)
        total = "Maximum total concurrency that can be allocated across all serverless endpoints"
        yield of_quota("aws", "sagemaker", total, concurrency, name)


def _most(config: Node, scaled: list[Node]) -> dict[str, int]:
    """By variant: the most that autoscaling may set. A target that doesn't show its variant counts for all of them."""
    endpoints = {id(node.resource) for node in config.referrers(ENDPOINT)}
    found: dict[str, int] = {}
    for target in scaled:
        above = target.referred("resourceId", ENDPOINT)
        if above and endpoints and not any(id(node.resource) in endpoints for node in above):
            continue
        if plain_value(target, "serviceNamespace") not in ("sagemaker", None):
            continue
        most = whole(target.number("maxCapacity"))
        resource_id: Any = plain_value(target, "resourceId")
        if isinstance(resource_id, str) and "/variant/" in resource_id:
            found[resource_id.rpartition("/")[2]] = most
        else:
            for variant in config.records("productionVariants"):
                each = str(plain_value(variant, "variantName"))
                found[each] = max(most, found.get(each, 0))
    return found


def _served(resource: str, needed: dict[str, int], note: str) -> Iterator[Demand]:
    for machine, count in needed.items():
        yield _instances(f"{machine} for endpoint usage", count, resource, note=note)
    total = sum(needed.values())
    yield _instances("Number of instances across active endpoints", total, resource, note=note)
    yield _instances("Maximum number of instances per endpoint", total, resource, combine=Combine.MAX)


def _instances(name: str, needed: int, resource: str, *, note: str = "", combine: Combine = Combine.SUM) -> Demand:
    return of_quota("aws", "sagemaker", name, needed, resource, unit="instances", note=note, combine=combine)
