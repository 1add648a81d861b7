"""The declared pools of instances: how many nodes for how long, on whatever they run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from policies.cost.item import Item
from policies.cost.usage import quantity
from policies.graph import Node
from policies.resources import Malformed, Props

HOURS_TRAINED = quantity("training_hours", 100, "hours on each node of the pool, up to its largest size")


@dataclass(frozen=True, slots=True)
class Pool:
    """`nodes` run `hours` each."""

    nodes: Decimal
    hours: Decimal
    accelerator: str | None
    devices: int
    is_spot: bool


def pool_hours(item: Item, name: object, component: Node | None = None) -> Pool:
    """The pool of that name in the spec of the TrainingCluster above. Raises Malformed where there is none."""
    owner = component or item.node.component
    spec = owner.mapping("spec").mapping("pools").get(str(name)) if owner is not None and name else None
    if not isinstance(spec, Props):
        raise Malformed("pool", None, "a pool that the stack declares")
    return hours_of(item, str(name), spec)


def hours_of(item: Item, name: str, spec: Props) -> Pool:
    accelerator = spec.get("accelerator")
    return Pool(
        Decimal(str(spec.number("max_count"))),
        item.use(HOURS_TRAINED, also=f"training_hours:{name}"),
        str(accelerator.get("kind")) if isinstance(accelerator, Props) else None,
        int(accelerator.number("count")) if isinstance(accelerator, Props) else 0,
        bool(spec.get("is_spot", False)),
    )
