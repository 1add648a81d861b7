"""EC2's spot placement score of the instance types like a pool's. Needs ec2:GetSpotPlacementScores.

SageMaker's managed spot is of the same machines. EC2 scores fewer than three types low whatever there is, so the
pool's type is asked for among those with the same accelerators, or as many cores; alone it is not asked for.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-placement-score.html
"""

from __future__ import annotations

from typing import Any

from catalog.errors import UserError
from catalog.instances import Instance, candidates
from ml_jobs.contract import Pool, StackContract
from ml_jobs.spot.odds import Odds

FEWEST = 3
HIGHEST = 10


def tell(stack: StackContract, pool: Pool, nodes: int, *, api: Any = None) -> Odds:
    """`api`: boto3's client of EC2; default, one of whoever its chain of credentials finds."""
    alike = types_like(pool)
    if len(alike) < FEWEST:
        return Odds(None, f"EC2 tells nothing of fewer than {FEWEST} types, and {pool.instance_type} has no peers")
    if api is None:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})
        api = boto3.session.Session(region_name=stack.region).client("ec2", config=config)
    found = api.get_spot_placement_scores(**request(alike, nodes, str(stack.region)))["SpotPlacementScores"]
    score = max((int(each["Score"]) for each in found if each["Region"] == stack.region), default=None)
    if score is None:
        return Odds(None, f"EC2 has no placement score of {stack.region}")
    return Odds(score / HIGHEST, f"EC2's placement score of {', '.join(alike)} is {score} of {HIGHEST}")


def request(types: list[str], nodes: int, region: str) -> dict[str, Any]:
    """GetSpotPlacementScores. Pure; always the same for a pool: new questions are what EC2 limits."""
    return {
        "InstanceTypes": types,
        "TargetCapacity": nodes,
        "TargetCapacityUnitType": "units",
        "SingleAvailabilityZone": False,
        "RegionNames": [region],
    }


def types_like(pool: Pool) -> list[str]:
    """The pool's type and its peers, by name; EC2 knows which of them a region has."""
    own = pool.instance_type.removeprefix("ml.")
    for found in _groups(pool):
        sizes = {each.machine: each.vcpus for each in found}
        if own in sizes:
            alike = [name for name, vcpus in sizes.items() if pool.accelerator or vcpus == sizes[own]]
            return sorted(alike)
    return [own]


def _groups(pool: Pool) -> list[list[Instance]]:
    asks: list[dict[str, Any]]
    if pool.accelerator:
        asks = [{"accelerator": pool.accelerator, "count": pool.count}]
    else:
        asks = [{"vcpus": pool.count, "cpu_class": kind} for kind in ("general", "compute", "memory")]
    groups = []
    for ask in asks:
        try:
            groups.append(candidates("aws", None, runtime="kubernetes", **ask))
        except UserError:  # the catalogue has none
            continue
    return groups
