"""Capacity as Kueue sees it: a flavor for each pool of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.kubernetes.settings import KubernetesSettings, PoolNodes, TolerationSettings
from components.specs import TrainingSpec
from ml_jobs.contract import Pool

POOL_LABEL = "skywright.dev/pool"
ACCELERATOR_LABEL = "skywright.dev/accelerator"
CAPACITY_LABEL = "skywright.dev/capacity"
GPU = "nvidia.com/gpu"
GPU_TAINT = TolerationSettings.model_construct(key=GPU)
"""GPU nodes carry this taint on GKE, on AKS and wherever we make pools: only what asks for a GPU goes there."""

_GIB_PER_CPU = {"general": 4, "compute": 2, "memory": 8}


@dataclass(frozen=True)
class Flavor:
    """The nodes of one pool. `count`: accelerators of a node; `cpus` and `memory_gib`: what a node offers to pods."""

    name: str
    pool: str
    node_labels: Mapping[str, str]
    tolerations: tuple[TolerationSettings, ...] = ()
    accelerator: str | None = None
    count: int = 0
    max_count: int = 1
    is_spot: bool = False
    cpus: int = 1
    memory_gib: int = 4
    instance_type: str = "node"
    zones: tuple[str, ...] = field(default=())

    @property
    def capacity(self) -> str:
        return "spot" if self.is_spot else "on-demand"

    @property
    def total(self) -> dict[str, int]:
        """All nodes together: vCPUs, GiB of memory, devices."""
        return {
            "cpu": self.cpus * self.max_count,
            "memory": self.memory_gib * self.max_count,
            GPU: self.count * self.max_count,
        }


def brought_flavors(spec: TrainingSpec, settings: KubernetesSettings) -> list[Flavor]:
    """The declared pools on a cluster that the user brings."""
    flavors = []
    for name, pool in spec.pools.items():
        nodes = settings.pools.get(name, PoolNodes())
        devices = pool.accelerator.count if pool.accelerator else 0
        cpus = nodes.cpus or (4 * devices if devices else 4 * pool.ranks)
        flavors.append(
            Flavor(
                name=name,
                pool=name,
                node_labels=nodes.node_labels or {POOL_LABEL: name},
                tolerations=nodes.tolerations or ((GPU_TAINT,) if devices else ()),
                accelerator=pool.accelerator.kind if pool.accelerator else None,
                count=devices,
                max_count=pool.max_count,
                is_spot=pool.is_spot,
                cpus=cpus,
                memory_gib=nodes.memory_gib or cpus * _GIB_PER_CPU[pool.cpu_class],
                instance_type=nodes.instance_type,
            )
        )
    return flavors


def brought_pools(spec: TrainingSpec, settings: KubernetesSettings) -> list[Pool]:
    """The pools as the stack contract carries them. How long spot lasts there, nobody has told us."""
    return [
        Pool(
            name=flavor.pool,
            accelerator=flavor.accelerator,
            count=flavor.count or spec.pools[flavor.pool].ranks,
            instance_type=flavor.instance_type,
            is_spot=flavor.is_spot,
            max_count=flavor.max_count,
            usd_per_hour=settings.pools.get(flavor.pool, PoolNodes()).usd_per_hour,
            notice_s=30 if flavor.is_spot else 0,
            node_labels=dict(flavor.node_labels),
        )
        for flavor in brought_flavors(spec, settings)
    ]
