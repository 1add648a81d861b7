"""Accelerators under neutral names, and the clouds that rent them.

Written down from general knowledge, not read off the clouds' own lists. Those are the authority:
AWS https://aws.amazon.com/ec2/instance-types/ (accelerated computing), Google Cloud
https://cloud.google.com/compute/docs/gpus, Azure
https://learn.microsoft.com/azure/virtual-machines/sizes/overview#gpu-accelerated (its V100 sizes, NCv3 and NDv2, are
retired). A cluster or a machine that the user brings may hold any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

BRING_YOUR_OWN = frozenset({"kubernetes", "local"})


@dataclass(frozen=True)
class Accelerator:
    """One kind. `memory_gib` is what one device has; `clouds` rent it in at least one region."""

    kind: str
    memory_gib: int
    clouds: frozenset[str]


def _kind(kind: str, memory_gib: int, *clouds: str) -> Accelerator:
    return Accelerator(kind, memory_gib, frozenset(clouds) | BRING_YOUR_OWN)


ACCELERATORS: dict[str, Accelerator] = {
    item.kind: item
    for item in (
        _kind("T4", 16, "aws", "gcp", "azure"),
        _kind("L4", 24, "aws", "gcp"),
        _kind("A10G", 24, "aws"),
        _kind("V100", 16, "aws", "gcp"),
        _kind("A100-40", 40, "aws", "gcp", "azure"),
        _kind("A100-80", 80, "aws", "gcp", "azure"),
        _kind("H100", 80, "aws", "gcp", "azure"),
        _kind("H200", 141, "aws", "gcp", "azure"),
    )
}


def on_cloud(cloud: str) -> list[str]:
    """The kinds that `cloud` offers, smallest first."""
    return [kind for kind, item in ACCELERATORS.items() if cloud in item.clouds]
