"""The declared pools as the stack contract carries them: instance types, prices, zones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from catalog import capacity
from catalog.instances import Instance, candidates, price
from components.specs import PoolSpec, TrainingSpec
from ml_jobs.contract import Pool

Runtime = Literal["managed", "kubernetes"]

NOTICE_S = 120
"""Between a spot interruption's notice and its end.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
"""


def instances_of(pool: PoolSpec, region: str | None, runtime: Runtime) -> list[Instance]:
    """The instance types that a pool may take, the best first. Raises UserError with the nearest possible asks."""
    if pool.accelerator:
        return candidates(
            "aws", region, runtime=runtime, accelerator=pool.accelerator.kind, count=pool.accelerator.count,
            is_spot=pool.is_spot,
        )  # fmt: skip
    return candidates("aws", region, runtime=runtime, vcpus=pool.ranks, cpu_class=pool.cpu_class, is_spot=pool.is_spot)


def pools_of(spec: TrainingSpec, region: str | None, runtime: Runtime, zones: Sequence[str]) -> list[Pool]:
    """Every pool with its first instance type; SageMaker publishes no price of spot, so that stays unknown there."""
    return [
        _pool(name, pool, instances_of(pool, region, runtime)[0], region, zones) for name, pool in spec.pools.items()
    ]


def _pool(name: str, pool: PoolSpec, instance: Instance, region: str | None, zones: Sequence[str]) -> Pool:
    return Pool(
        name=name,
        accelerator=pool.accelerator.kind if pool.accelerator else None,
        count=pool.ranks_per_instance,
        instance_type=instance.name,
        is_spot=pool.is_spot,
        zones=tuple(zones),
        max_count=pool.max_count,
        usd_per_hour=price(instance, region, is_spot=pool.is_spot),
        start_s=capacity.start_s(instance, region) or 0,
        mtbf_s=capacity.mtbf_s(instance, region) if pool.is_spot else None,
        notice_s=NOTICE_S if pool.is_spot else 0,
    )
