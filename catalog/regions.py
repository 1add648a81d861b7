"""The regions of each cloud's public partition that this release knows, as of autumn 2025.

Written down from general knowledge, not read off the lists that the clouds keep. Those are the authority:
AWS https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html,
Google Cloud https://cloud.google.com/compute/docs/regions-zones,
Azure https://learn.microsoft.com/azure/reliability/regions-list (and `az account list-locations`).
"""

from __future__ import annotations


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


AWS = _names(
    """
    us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 ca-west-1 mx-central-1 sa-east-1
    eu-central-1 eu-central-2 eu-west-1 eu-west-2 eu-west-3 eu-south-1 eu-south-2 eu-north-1
    af-south-1 me-south-1 me-central-1 il-central-1
    ap-east-1 ap-east-2 ap-south-1 ap-south-2 ap-northeast-1 ap-northeast-2 ap-northeast-3
    ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7
    """
)

GCP = _names(
    """
    us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4
    northamerica-northeast1 northamerica-northeast2 northamerica-south1 southamerica-east1 southamerica-west1
    europe-central2 europe-north1 europe-north2 europe-southwest1 europe-west1 europe-west2 europe-west3 europe-west4
    europe-west6 europe-west8 europe-west9 europe-west10 europe-west12
    africa-south1 me-central1 me-central2 me-west1
    asia-east1 asia-east2 asia-northeast1 asia-northeast2 asia-northeast3 asia-south1 asia-south2
    asia-southeast1 asia-southeast2 australia-southeast1 australia-southeast2
    """
)

AZURE = _names(
    """
    eastus eastus2 centralus northcentralus southcentralus westcentralus westus westus2 westus3
    canadacentral canadaeast mexicocentral brazilsouth brazilsoutheast chilecentral
    northeurope westeurope uksouth ukwest francecentral francesouth germanywestcentral germanynorth
    switzerlandnorth switzerlandwest norwayeast norwaywest swedencentral polandcentral italynorth spaincentral
    austriaeast uaenorth uaecentral qatarcentral israelcentral southafricanorth southafricawest
    eastasia southeastasia japaneast japanwest koreacentral koreasouth centralindia southindia westindia
    indonesiacentral malaysiawest newzealandnorth
    australiaeast australiasoutheast australiacentral australiacentral2
    """
)

REGIONS: dict[str, tuple[str, ...]] = {"aws": AWS, "gcp": GCP, "azure": AZURE}
"""Clouds that need a region, and the regions that they have."""
