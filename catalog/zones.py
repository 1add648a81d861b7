"""How many zones a region has for its tenants.

Written down from general knowledge; the authorities: https://docs.aws.amazon.com/global-infrastructure/latest/regions/,
https://cloud.google.com/compute/docs/regions-zones, https://learn.microsoft.com/azure/reliability/regions-list.
"""

from __future__ import annotations

_AWS = {"us-east-1": 6, "us-west-1": 2, "us-west-2": 4, "ap-northeast-1": 3, "ap-northeast-2": 4}
_GCP = {
    "us-central1": ("a", "b", "c", "f"), "us-east1": ("b", "c", "d"), "us-east4": ("a", "b", "c"),
    "europe-west1": ("b", "c", "d"),
}  # fmt: skip
_AZURE_WITHOUT = (
    "northcentralus", "westcentralus", "westus", "canadaeast", "brazilsoutheast", "ukwest", "francesouth",
    "germanynorth", "norwaywest", "switzerlandwest", "uaecentral", "southafricawest", "australiasoutheast",
    "australiacentral", "australiacentral2", "koreasouth", "southindia", "westindia",
)  # fmt: skip


def zone_count(cloud: str, region: str) -> int:
    """Zones that a network may span; 1 where the region has none of its own (some of Azure's)."""
    if cloud == "aws":
        return _AWS.get(region, 3)
    if cloud == "gcp":
        return len(gcp_zones(region))
    if cloud == "azure":
        return 1 if region in _AZURE_WITHOUT else 3
    return 6


def gcp_zones(region: str) -> tuple[str, ...]:
    """Names of a Google Cloud region's zones."""
    return tuple(f"{region}-{letter}" for letter in _GCP.get(region, ("a", "b", "c")))


def azure_zones(region: str) -> tuple[str, ...]:
    """Azure numbers zones; none where the region has none."""
    return () if region in _AZURE_WITHOUT else ("1", "2", "3")
