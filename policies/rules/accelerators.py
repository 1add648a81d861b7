"""Limits on what a stack may rent at most: the environment's, and a lower one that the stack gives itself by a tag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, cast

from catalog import instances
from catalog.errors import UserError
from policies.examples import declared, platform
from policies.graph import Graph, Node
from policies.resources import UNKNOWN, Malformed, Props, Resource, UnknownValue
from policies.rule import Finding, Severity, rule
from policies.rules.demands import all_of
from policies.rules.optional import flag, mapping, number, text

ENDPOINT = "skywright:*:ModelEndpoint"
TRAINING = "skywright:*:TrainingCluster"
CLOUDS = ("aws", "azure", "gcp")
"""On a cluster or a machine that the user brings, nothing is paid by the hour."""

Purpose = Literal["training", "serving"]


def _limit(graph: Graph, key: str) -> float | None:
    """The lower of the parameter of that name and of the components' tags of that name; None where there is neither."""
    given = [value] if (value := number(graph.parameters, key)) is not None else []
    for component in graph.components:
        tags = mapping(component, "tags")
        if (said := text(tags, key)) is not None:
            try:
                given.append(float(said))
            except ValueError:
                raise Malformed(tags.at(key), said, "a number") from None
    return min(given, default=None)


@rule(
    "accelerators-within-limit",
    Severity.HIGH,
    types=(TRAINING,),
    joins=True,
    title="A stack can't take more accelerators than its environment may",
    why="One slip in a count is a month's budget in a day.",
    remedy="Lower max_count, count or max_replicas, or have max_accelerators raised in policies/enforcement.yaml.",
)
def accelerators_within_limit(training: Node) -> Finding | None:
    """All pools at their largest and all releases at theirs: training and serving are one bill."""
    if (limit := _limit(training.graph, "max_accelerators")) is None:
        return None
    pools = [pool for _, pool in training.mapping("spec").mapping("pools").mappings()]
    trained = sum(devices * pool.number("max_count") for pool in pools if (devices := _devices(pool)))
    served = sum(_served(endpoint.mapping("spec")) for endpoint in all_of(training.graph, ENDPOINT))
    if trained + served <= limit:
        return None
    return Finding("spec.pools", f"{trained:g} accelerators for training and {served:g} to serve, allowed {limit:g}")


def _devices(holder: Props) -> float:
    """On one machine."""
    return 0 if holder.get("accelerator") is None else holder.mapping("accelerator").number("count")


def _served(spec: Props) -> float:
    """Replicas are counted for each release; an endpoint without one will have one."""
    if not (devices := _devices(spec)):
        return 0
    releases = len(list(spec.mapping("releases").mappings()))
    return devices * spec.number("max_replicas") * max(1, releases)


def _pool(count: object = 4, max_count: object = 1, kind: object = "A10G", **more: object) -> dict[str, Any]:
    return {"accelerator": {"kind": kind, "count": count}, "max_count": max_count, "is_spot": False, **more}


def _stack(
    *pools: object,
    endpoint: dict[str, Any] | None = None,
    region: object = "us-east-1",
    most: str | None = None,
    usd: str | None = None,
) -> list[Resource]:
    limits: dict[str, Any] = {"max_accelerators": most, "max_usd_per_accelerator_hour": usd}
    spec = {"pools": {f"pool-{index}": pool for index, pool in enumerate(pools)}}
    serving = {"releases": {}, "max_replicas": 1, "is_spot": False, **(endpoint or {})}
    return [
        platform(**{key: value for key, value in limits.items() if value is not None}),
        declared("skywright:aws:TrainingCluster", "training", region=region, spec=spec),
        declared("skywright:aws:ModelEndpoint", "endpoint", region=region, spec=serving),
    ]


_SERVING = {"accelerator": {"kind": "A10G", "count": 1}, "max_replicas": 2}
accelerators_within_limit.examples(
    good=[
        _stack(_pool(4, 1000)),
        _stack(_pool(4, 2), {"max_count": 9}, most="8"),
        _stack(_pool(4, 1), endpoint={**_SERVING, "releases": {"a": {}, "b": {}}}, most="8"),
    ],
    bad=[
        _stack(_pool(4, 2), _pool(1, 1), most="8"),
        _stack(_pool(4, 2), endpoint=_SERVING, most="8"),
        _stack(_pool(4, 1), endpoint={**_SERVING, "releases": {"a": {}, "b": {}}}, most="7"),
    ],
    unknown=[
        _stack(_pool(UNKNOWN), most="8"),
        _stack(_pool(1, UNKNOWN), most="8"),
        _stack(endpoint={**_SERVING, "releases": UNKNOWN}, most="8"),
        [*_stack(_pool()), declared("skywright:aws:Storage", "s", tags={"max_accelerators": UNKNOWN})],
    ],
)


@rule(
    "accelerator-price-within-limit",
    Severity.HIGH,
    types=tuple(f"skywright:{cloud}:{kind}" for cloud in CLOUDS for kind in ("TrainingCluster", "ModelEndpoint")),
    joins=True,
    title="No accelerator costs more by the hour than its environment may pay",
    why="The largest accelerators cost ten times and more what most development needs.",
    remedy="Take another kind, or spot, or have max_usd_per_accelerator_hour raised in policies/enforcement.yaml.",
)
def accelerator_price_within_limit(component: Node) -> Iterator[Finding]:
    """By the catalogue's price of the cheapest machine that gives it. An unknown price is unknown, never low."""
    if (limit := _limit(component.graph, "max_usd_per_accelerator_hour")) is None:
        return
    for holder, runtime, purpose in _rented(component):
        accelerator = holder.mapping("accelerator")
        usd = _usd(component, holder, runtime, purpose) / accelerator.number("count")
        if usd > limit:
            yield Finding(accelerator.at("kind"), f"{accelerator.get('kind')} at {usd:.2f} USD, allowed {limit:g}")


def _rented(component: Node) -> Iterator[tuple[Props, instances.Runtime, Purpose]]:
    spec = component.mapping("spec")
    runtime = cast("instances.Runtime", text(spec, "runtime") or "managed")
    if component.is_of(TRAINING):
        for _, pool in spec.mapping("pools").mappings():
            if pool.get("accelerator") is not None:
                yield pool, runtime, "training"
    elif spec.get("accelerator") is not None:
        yield spec, runtime, "serving"


def _usd(component: Node, holder: Props, runtime: instances.Runtime, purpose: Purpose) -> float:
    """Of a whole machine, by the hour. Raises UnknownValue where no source tells."""
    accelerator, region = holder.mapping("accelerator"), text(component, "region")
    cloud = component.resource.type.split(":")[1]
    is_spot = bool(flag(holder, "is_spot"))
    try:
        machine = instances.choose(
            cloud, region, runtime=runtime, accelerator=text(accelerator, "kind"),
            count=int(accelerator.number("count")), is_spot=is_spot, purpose=purpose,
        )  # fmt: skip
        usd = instances.price(machine, region, is_spot=is_spot, purpose=purpose)
    except UserError:
        usd = None
    if usd is None:
        raise UnknownValue(accelerator.at("kind"), f"has no known price in {region}")
    return usd


accelerator_price_within_limit.examples(
    good=[
        _stack(_pool(1)),
        _stack(_pool(1), usd="50"),
        _stack({"max_count": 9}, usd="0.01"),
    ],
    bad=[
        _stack(_pool(1), usd="0.01"),
        _stack(_pool(1, runtime="kubernetes"), usd="0.01"),
        _stack(endpoint=_SERVING, usd="0.01"),
    ],
    unknown=[
        _stack(_pool(1, kind="X1"), usd="50"),
        _stack(_pool(1), region="mars-1", usd="50"),
        _stack(_pool(1), region=UNKNOWN, usd="50"),
    ],
)
