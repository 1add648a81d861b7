"""What training needs on any cluster: operators, a namespace for each team, queues in front of the pools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.contract import Component
from components.kubernetes.cluster import Cluster, WorkloadIdentity
from components.kubernetes.flavors import Flavor
from components.kubernetes.settings import KubernetesSettings
from components.specs import TrainingSpec
from ml_jobs.contract import Queue


@dataclass(frozen=True)
class Platform:
    """`queues` as the stack contract carries them: `ref` is `namespace/local queue`."""

    queues: pulumi.Output[Sequence[Queue]]


def declare_platform(
    owner: Component[Any, Any],
    cluster: Cluster,
    spec: TrainingSpec,
    *,
    flavors: Sequence[Flavor],
    settings: KubernetesSettings | None = None,
    identity: WorkloadIdentity | None = None,
    depends_on: Iterable[Any] = (),
) -> Platform:
    """Declare it all. `settings` default to the cluster's; `identity` is what jobs become on the cloud."""
    raise NotImplementedError
