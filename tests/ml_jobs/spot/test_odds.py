"""What the clouds tell of spot's chances: requests held to their own API descriptions, answers read as they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import httpx
import pytest
import requests
from botocore.stub import Stubber
from loopback import Loopback

from infra.rehearsal.core.validate import violations
from infra.rehearsal.gcp.model import method
from ml_jobs.contract import JobSpec, Pool, Resources, StackContract
from ml_jobs.launch.base import LaunchError
from ml_jobs.spot import odds
from ml_jobs.spot.odds import Odds, asker, aws, azure, cluster, gcp

STACKS = Path(__file__).parents[1] / "launch" / "stacks"
NOW = 1_760_000_000.0


def stack(name: str) -> StackContract:
    return StackContract.read(json.loads((STACKS / f"{name}.json").read_text()), where=name)


def pool(of: StackContract, name: str) -> Pool:
    return next(each for each in of.pools if each.name == name)


class Stand(Loopback):
    """Answers every request with `answers`, and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: tuple[int, Any] = (200, {})
        self.asked: list[tuple[str, Any]] = []
        super().__init__()

    def answer(self, http: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        self.asked.append((f"{path}?{urlencode(query, doseq=True)}" if query else path, body))
        return self.answers


@pytest.fixture
def stand() -> Iterator[Stand]:
    served = Stand()
    yield served
    served.close()


def test_ec2_is_asked_for_the_pools_type_and_its_peers() -> None:
    """Held to botocore's model, request and answer."""
    prod = stack("aws-prod")
    ec2 = boto3.client("ec2", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    types = ["g5.16xlarge", "g5.2xlarge", "g5.4xlarge", "g5.8xlarge", "g5.xlarge"]
    scores = [{"Region": "eu-west-1", "Score": 7}, {"Region": "us-east-1", "Score": 9}]
    with Stubber(ec2) as stub:
        asked = {
            "InstanceTypes": types, "TargetCapacity": 2, "TargetCapacityUnitType": "units",
            "SingleAvailabilityZone": False, "RegionNames": ["eu-west-1"],
        }  # fmt: skip
        stub.add_response("get_spot_placement_scores", {"SpotPlacementScores": scores}, asked)
        answer = aws.tell(prod, pool(prod, "spot-small"), 2, api=ec2)
        stub.assert_no_pending_responses()
    assert answer == Odds(0.7, f"EC2's placement score of {', '.join(types)} is 7 of 10")


def test_ec2_is_not_asked_for_what_it_would_score_low_anyhow() -> None:
    prod = stack("aws-prod")
    answer = aws.tell(prod, pool(prod, "spot-large"), 1, api=object())
    assert answer.chance is None and "ml.p4d.24xlarge has no peers" in answer.why


def test_cpus_have_peers_of_their_size() -> None:
    found = aws.types_like(Pool(name="cpu", instance_type="m5.2xlarge", count=8, is_spot=True))
    assert len(found) >= 3 and "m5.2xlarge" in found and all(name.endswith(".2xlarge") for name in found)


@pytest.mark.parametrize(("nodes", "shape"), [(1, "ANY"), (3, "ANY_SINGLE_ZONE")])
def test_compute_engine_is_asked_by_its_own_description(stand: Stand, nodes: int, shape: str) -> None:
    prod = stack("gcp-prod")
    stand.answers = 200, {"recommendations": [{"scores": {"obtainability": 0.6, "estimatedUptime": "3600s"}}]}
    answer = gcp.tell(prod, pool(prod, "spot-small"), nodes, session=requests.Session(), base=stand.url)
    [(path, body)] = stand.asked
    described = method("compute.v1", "advice.capacity")
    assert path == "/compute/v1/projects/acme-ml/regions/europe-west4/advice/capacity"
    assert described.body is not None and not list(violations(body, described.body))
    assert body["distributionPolicy"] == {"targetShape": shape} and body["size"] == nodes
    assert answer == Odds(0.6, "Compute Engine's obtainability of g2-standard-4 is 0.6 of 1")


def test_devices_that_a_machines_name_does_not_tell_are_asked_for() -> None:
    t4 = Pool(name="spot", instance_type="n1-standard-4", accelerator="T4", count=1, is_spot=True)
    [selection] = gcp.request(t4, 1, "us-central1")["instanceFlexibilityPolicy"]["instanceSelections"].values()
    assert selection["guestAccelerators"] == [{"acceleratorType": "nvidia-tesla-t4", "acceleratorCount": 1}]


@pytest.mark.parametrize(
    ("score", "has_quota", "chance"),
    [("High", True, 0.85), ("Medium", True, 0.5), ("Low", True, 0.15), ("High", False, 0.0),
     ("DataNotFoundOrStale", True, None), ("RestrictedSkuNotAvailable", True, None)],
)  # fmt: skip
def test_azures_words_become_chances(stand: Stand, score: str, has_quota: bool, chance: float | None) -> None:
    prod = stack("azure-prod")
    told = {"sku": "Standard_NC4as_T4_v3", "region": "westeurope", "score": score, "isQuotaAvailable": has_quota}
    stand.answers = 200, {"placementScores": [told]}
    with httpx.Client() as client:
        answer = azure.tell(prod, pool(prod, "spot-small"), 2, client=client, base=stand.url)
    [(path, body)] = stand.asked
    where = urlsplit(path)
    assert where.path.endswith("/providers/Microsoft.Compute/locations/westeurope/placementScores/spot/generate")
    assert where.path.startswith("/subscriptions/") and where.query == "api-version=2025-06-05"
    assert body == {
        "desiredLocations": ["westeurope"], "desiredSizes": [{"sku": "Standard_NC4as_T4_v3"}], "desiredCount": 2,
        "availabilityZones": False,
    }  # fmt: skip
    assert answer.chance == chance


def test_who_may_not_ask_is_told_what_it_takes(stand: Stand) -> None:
    stand.answers = 403, {"error": {"message": "no"}}
    google, microsoft = stack("gcp-prod"), stack("azure-prod")
    with httpx.Client() as client:
        told = [
            gcp.tell(google, pool(google, "spot-small"), 1, session=requests.Session(), base=stand.url),
            azure.tell(microsoft, pool(microsoft, "spot-small"), 1, client=client, base=stand.url),
        ]
    assert [each.chance for each in told] == [None, None]
    assert "compute.advice.capacity" in told[0].why and "Compute Recommendations Role" in told[1].why


def pod(
    name: str, *, created_s: float, placed_s: float | None, on: str = "spot-gpu", **metadata: Any
) -> dict[str, Any]:
    """`created_s`, `placed_s`: seconds before NOW."""

    def ago(seconds: float) -> str:
        return datetime.fromtimestamp(NOW - seconds, UTC).isoformat().replace("+00:00", "Z")

    placed = placed_s is not None
    return {
        "metadata": {"name": name, "creationTimestamp": ago(created_s), **metadata},
        "spec": {"containers": [{"env": [{"name": "SKYWRIGHT_POOL", "value": on}]}]},
        "status": {
            "conditions": [
                {"type": "PodScheduled", "status": str(placed), "lastTransitionTime": ago(placed_s or created_s)}
            ]
        },
    }


@pytest.mark.parametrize(
    ("pods", "chance"),
    [
        ([], None),
        ([pod("a", created_s=700, placed_s=300)], 0.85),
        ([pod("a", created_s=7000, placed_s=6900)], None),
        ([pod("a", created_s=700, placed_s=None)], 0.15),
        ([pod("a", created_s=200, placed_s=None)], None),
        ([pod("a", created_s=700, placed_s=300), pod("b", created_s=700, placed_s=None)], 0.85),
        ([pod("a", created_s=700, placed_s=300, on="another")], None),
        ([pod("a", created_s=700, placed_s=300, deletionTimestamp="2025-10-09T08:00:00Z")], None),
    ],
    ids=["none", "placed", "long ago", "waits", "new", "both", "another pool", "going"],
)
def test_a_cluster_tells_by_its_last_pods(pods: list[dict[str, Any]], chance: float | None) -> None:
    prod = stack("kubernetes-prod")
    assert cluster.odds(pods, pool(prod, "spot-gpu"), NOW).chance == chance


def test_a_clusters_pods_are_looked_for_where_the_queues_are() -> None:
    asked = []

    class Listing:
        def list(self, kind: Any, namespace: str, labels: str) -> list[Any]:
            asked.append((kind.plural, namespace, labels))
            return []

    prod = stack("kubernetes-prod")
    assert cluster.tell(prod, pool(prod, "spot-gpu"), 1, cluster=Listing()).chance is None
    labels = f"skywright.dev/stack={prod.stack},skywright.dev/role=training,skywright.dev/capacity=spot"
    assert asked == [("pods", f"skywright-team-{team}", labels) for team in ("recommendations", "research")]


def test_a_cluster_of_a_cloud_asks_the_cluster_and_then_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is an answer without a chance; what was answered is kept for a while."""
    asked = []

    def refuses(*_: Any) -> Odds:
        asked.append("cluster")
        raise LaunchError("credentials", "no kubeconfig")

    def tells(found: StackContract, chosen: Pool, nodes: int) -> Odds:
        asked.append(f"{chosen.name} x {nodes}")
        return Odds(None, "EC2 is silent")

    monkeypatch.setattr(cluster, "tell", refuses)
    monkeypatch.setattr(aws, "tell", tells)
    on_cluster = stack("aws-cluster")
    spare = pool(on_cluster, "on-demand-gpu").model_copy(update={"name": "spare", "is_spot": True})
    on_cluster = on_cluster.model_copy(update={"pools": (*on_cluster.pools, spare)})
    ask = asker(on_cluster, JobSpec(name="a", entry="a:b", image="i", resources=Resources(accelerator="A10G", nodes=2)))
    assert ask() == ask() == Odds(None, "no kubeconfig; EC2 is silent")
    assert asked == ["cluster", "spare x 2"]
    monkeypatch.setattr(odds, "EVERY_S", 0.0)
    ask()
    assert len(asked) == 4
