"""The example stacks, priced whole: their main lines by hand, and no type that nobody knows."""

from __future__ import annotations

import functools
from decimal import Decimal

import pytest

from infra.reading import declared
from infra.settings import from_file
from policies.cost import Estimate, Line, estimate
from policies.resources import Resource
from tests.graph.harness import STACKS
from tests.policies.cost.test_estimate import traced

ALL = sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in STACKS.glob("Pulumi.*.yaml"))
EXAMPLES = [name for name in ALL if not name.startswith("demo")]


@functools.cache
def resources(stack: str) -> list[Resource]:
    return declared(from_file(STACKS / f"Pulumi.{stack}.yaml"))


@functools.cache
def whole(stack: str) -> Estimate:
    return estimate(resources(stack), region=from_file(STACKS / f"Pulumi.{stack}.yaml").region)


def sums(stack: str, *components: str) -> Decimal:
    """Known USD of all lines of these components."""
    lines = [line for line in whole(stack).lines if line.component in components]
    assert lines
    return sum((line.monthly_usd for line in lines if line.monthly_usd is not None), Decimal(0))


@pytest.mark.parametrize("stack", EXAMPLES)
def test_every_type_is_priced_free_or_known_to_have_no_price(stack: str) -> None:
    assert [line.component for line in whole(stack).lines if "nobody here knows" in line.note] == []


@pytest.mark.parametrize("stack", EXAMPLES)
def test_every_known_line_traces_to_the_catalogue(stack: str) -> None:
    untraced = [line for line in whole(stack).lines if line.monthly_usd is not None and not traced(line)]
    assert untraced == []


@pytest.mark.parametrize("stack", EXAMPLES)
def test_an_unknown_line_says_why(stack: str) -> None:
    assert [line for line in whole(stack).unknown if not line.note] == []


def test_production_on_aws_by_hand() -> None:
    # eu-west-1. Three NAT gateways at 0.048 for 730 h, 100 GB each at 0.048, an address each at 0.005.
    assert sums("aws-prod", "gateway hours") == Decimal("105.12")
    assert sums("aws-prod", "public address") == Decimal("10.95")
    # Four buckets: 100 GB at 0.023, 100k writes at 0.005 and 1M reads at 0.0004 for a thousand.
    assert sums("aws-prod", "storage", "writes and lists", "reads") == Decimal("12.80")
    assert sums("aws-prod", "key") == Decimal("3.00")
    # Two ml.g5.xlarge for 100 h at 1.57; both spot pools have no price on SageMaker.
    assert sums("aws-prod", "pool on-demand") == Decimal("314.00")
    assert {line.component for line in whole("aws-prod").unknown} >= {"pool spot-large", "pool spot-small"}


def test_the_cluster_on_aws_by_hand() -> None:
    assert sums("aws-cluster", "control plane") == Decimal("73.00")
    hours = {line.resource: line.monthly_usd for line in whole("aws-cluster").lines if line.component == "node hours"}
    # Two m5.large all month; pools of four nodes for 100 h: p4d.24xlarge on spot, g5.xlarge, m5.2xlarge.
    assert hours == {
        "training-system-nodes": Decimal("156.22"),
        "training-node-pool-spot-gpu": Decimal("5814.08"),
        "training-node-pool-on-demand-gpu": Decimal("449.20"),
        "training-node-pool-cpu": Decimal("171.20"),
    }


def test_production_on_google_cloud_by_hand() -> None:
    # europe-west4. Four machines behind the NAT at 0.0014, four buckets of 100 GB at 0.02, 20 GB of images at 0.10.
    assert sums("gcp-prod", "gateway hours") == Decimal("4.08")
    assert sums("gcp-prod", "storage") == Decimal("8.00")
    assert sums("gcp-prod", "images") == Decimal("2.00")
    assert sums("gcp-prod", "log intake") == Decimal("10.00")
    # Two g2-standard-4 for 100 h: Compute Engine's price with Vertex's 15 %.
    assert sums("gcp-prod", "pool on-demand") == Decimal("170.88")


def test_production_on_azure_by_hand() -> None:
    # westeurope. Three NAT gateways at 0.045; seven private endpoints at 0.01; seven zones at 0.50; Premium registry.
    assert sums("azure-prod", "gateway hours") == Decimal("98.55")
    assert sums("azure-prod", "endpoint hours") == Decimal("51.10")
    assert sums("azure-prod", "zone") == Decimal("3.50")
    assert sums("azure-prod", "registry") == Decimal("50.69")
    # Two NC4as T4 for 100 h at 0.658.
    assert sums("azure-prod", "node hours") == Decimal("131.60")


def test_a_cluster_of_ones_own_costs_what_its_owner_says() -> None:
    assert whole("kubernetes-prod").total == 0
    assert len(whole("kubernetes-prod").unknown) >= 3
    assert whole("local").lines == ()


def test_secrets_and_unknown_values_stand_in_no_line() -> None:
    def text(line: Line) -> str:
        return f"{line.note}{line.source}"

    assert not any("[secret]" in text(line) for stack in EXAMPLES for line in whole(stack).lines)
