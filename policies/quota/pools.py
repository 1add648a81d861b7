"""What the components declare in neutral words, as machines: pools to train on, replicas to serve on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from catalog import instances
from catalog.errors import UserError
from catalog.instances import Instance, Purpose, Runtime
from policies.graph import Node
from policies.resources import Malformed, Props


@dataclass(frozen=True, slots=True)
class Pool:
    """`machines`: the types that it may take, the best first; empty where nothing fits. `count`: at the most."""

    name: str
    resource: str
    runtime: Runtime
    machines: tuple[Instance, ...]
    accelerators: int
    is_spot: bool
    count: int
    note: str = ""


def runtime_of(component: Node) -> Runtime:
    """What a training cluster or an endpoint runs on: managed unless it says kubernetes. Raises as `Props` does."""
    value = component.mapping("spec").get("runtime") or "managed"
    if value not in ("managed", "kubernetes"):
        raise Malformed("spec.runtime", value, "managed or kubernetes")
    return "kubernetes" if value == "kubernetes" else "managed"


def pools_of(component: Node, cloud: str, region: str | None) -> Iterator[Pool]:
    """A training cluster's pools. Raises UnknownValue or Malformed at the first that can't be read."""
    runtime = runtime_of(component)
    for name, pool in component.mapping("spec").mapping("pools").mappings():
        ask = _ask(pool, "ranks")
        is_spot = pool.flag("is_spot")
        machines, note = _machines(cloud, region, runtime, ask, is_spot=is_spot, purpose="training")
        where = f"{component.resource.name} (pool {name})"
        yield Pool(name, where, runtime, machines, ask.count, is_spot, whole(pool.number("max_count")), note)


def replicas_of(component: Node, cloud: str, region: str | None) -> Pool:
    """An endpoint's replicas for one release. Raises UnknownValue or Malformed."""
    spec = component.mapping("spec")
    ask = _ask(spec, "cpus")
    is_spot = spec.get("is_spot") is True
    machines, note = _machines(cloud, region, "managed", ask, is_spot=is_spot, purpose="serving")
    count = max(whole(spec.number("max_replicas")), 1)
    return Pool("replicas", component.resource.name, "managed", machines, ask.count, is_spot, count, note)


@dataclass(frozen=True, slots=True)
class _Ask:
    accelerator: str | None
    count: int
    vcpus: int
    cpu_class: str


def _ask(spec: Props, cpus: str) -> _Ask:
    if (accelerator := spec.get("accelerator")) is None:
        return _Ask(None, 0, whole(spec.number(cpus)), str(spec.get("cpu_class", "general")))
    if not isinstance(accelerator, Props) or not isinstance(kind := accelerator.get("kind"), str):
        raise Malformed(spec.at("accelerator"), accelerator, "a kind and a count")
    return _Ask(kind, whole(accelerator.number("count")), 1, "general")


def _machines(
    cloud: str, region: str | None, runtime: Runtime, ask: _Ask, *, is_spot: bool, purpose: Purpose
) -> tuple[tuple[Instance, ...], str]:
    try:
        found = instances.candidates(
            cloud, region, runtime=runtime, accelerator=ask.accelerator, count=ask.count or 1, vcpus=ask.vcpus,
            cpu_class=ask.cpu_class, is_spot=is_spot, purpose=purpose,
        )  # fmt: skip
    except UserError as error:
        return (), error.what
    return tuple(found), ""


def whole(number: float) -> int:
    """JSON's 4.0 as 4. Raises Malformed for what is no whole number."""
    if number != int(number) or number < 0:
        raise Malformed("a count", number, "a whole number")
    return int(number)
