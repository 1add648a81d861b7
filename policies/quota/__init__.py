"""Whether the account's quotas allow what is declared: what it needs at its largest, held against what there is."""

from __future__ import annotations

from collections.abc import Iterable

from policies.graph import Graph
from policies.quota import (
    aws_compute,
    aws_counted,
    aws_sagemaker,
    azure_compute,
    azure_counted,
    azure_ml,
    gcp_compute,
    gcp_counted,
    gcp_vertex,
)
from policies.quota.checking import check, findings
from policies.quota.counting import Counter
from policies.quota.model import Basis, Combine, Demand, Limit, QuotaLine, Status, together
from policies.resources import Resource

__all__ = [
    "Basis",
    "Combine",
    "Demand",
    "Limit",
    "QuotaLine",
    "Status",
    "check",
    "demand",
    "findings",
    "together",
]

COUNTERS: tuple[Counter, ...] = (
    aws_compute.vcpus, aws_sagemaker.endpoints, aws_counted.counted,
    gcp_compute.machines_of_clusters, gcp_vertex.training, gcp_vertex.endpoints, gcp_counted.counted,
    azure_compute.machines_of_clusters, azure_ml.training, azure_ml.endpoints, azure_counted.counted,
)  # fmt: skip


def demand(resources: Iterable[Resource], *, region: str | None, keeps_warm_pools: bool = False) -> tuple[Demand, ...]:
    """What the resources need of each quota when all of them have grown as far as they may. Needs nothing but them.

    `keeps_warm_pools`: whether SageMaker's on-demand instances wait for their next job, which no resource declares.
    Never raises for a resource that can't be read: that is a demand that isn't known, with the reason.
    """
    graph = Graph(resources)
    found = list(aws_sagemaker.training(graph, region, keeps_warm_pools=keeps_warm_pools))
    return together([*found, *(each for counter in COUNTERS for each in counter(graph, region))])
