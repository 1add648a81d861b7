"""What holds of every estimate: sums, sources, unknown things, usage, change and caps."""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from catalog.prices.lines import rows
from policies.cost import Estimate, Line, Usage, change, estimate
from policies.cost.caps import Caps, check
from policies.cost.item import GIVEN
from policies.cost.tables import PRICERS, load
from policies.resources import UNKNOWN, Resource
from tests.policies.cost.helpers import priced

load()
TYPES = sorted(PRICERS)
REGIONS = st.sampled_from(
    ["us-east-1", "eu-west-1", "us-central1", "europe-west4", "westeurope", "eastus", "nowhere", None]
)
KNOWN = [
    "instanceType",
    "machineType",
    "location",
    "size",
    "type",
    "scalingConfig",
    "spec",
    "properties",
    "sku",
    "nodeConfig",
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5000), st.floats(allow_nan=False), st.text(max_size=8), st.just(UNKNOWN),
    st.sampled_from(["m5.large", "g4dn.xlarge", "n1-standard-4", "Standard_D4s_v5", "gp3", "us-central1", "50Gi"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
RESOURCES = st.builds(
    Resource,
    st.sampled_from([*TYPES, "acme:thing/other:Other"]),
    st.text("abc", min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(KNOWN), VALUES, max_size=5),
)
ORIGIN = re.compile(r"([a-z-]+\.csv):(\d+), ")


def traced(line: Line) -> bool:
    """Whether the source names lines that the catalogue has, with their own source and date."""
    if line.source == GIVEN:
        return True
    found = re.split(r"; (?=[a-z-]+\.csv:)", line.source)
    return bool(found) and all(part in _origins() for part in found)


@functools.cache
def _origins() -> frozenset[str]:
    files = (
        "services.csv",
        "instances-aws.csv",
        "instances-gcp.csv",
        "instances-azure.csv",
        "gcp-gpu-machines-whole.csv",
    )
    return frozenset(line.origin for name in files for line in rows(name))


@settings(max_examples=200, deadline=None)
@given(st.lists(RESOURCES, max_size=6), REGIONS)
def test_the_total_is_the_sum_of_its_lines_to_the_cent_and_every_price_has_its_line(
    resources: list[Resource], region: str | None
) -> None:
    found = estimate(resources, region=region)
    assert found.total == sum((line.monthly_usd for line in found.lines if line.monthly_usd is not None), Decimal(0))
    assert found.low <= found.total
    for line in found.lines:
        for amount in (line.monthly_usd, line.low_usd, line.high_usd):
            assert amount is None or amount == amount.quantize(Decimal("0.01"))
        assert line.monthly_usd is None or traced(line), line


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.sampled_from(["m5.large", "g4dn.xlarge", "p4d.24xlarge"]), st.booleans())
def test_twice_the_nodes_cost_twice_as_much(count: int, machine: str, is_spot: bool) -> None:
    def group(nodes: int) -> Estimate:
        return priced(
            "aws:eks/nodeGroup:NodeGroup", instanceTypes=[machine], diskSize=37,
            capacityType="SPOT" if is_spot else "ON_DEMAND", scalingConfig={"desiredSize": nodes, "maxSize": nodes},
        )  # fmt: skip

    one, two = group(count), group(2 * count)
    assert two.total == 2 * one.total > 0
    assert [line.monthly_usd for line in two.lines] == [line.monthly_usd and 2 * line.monthly_usd for line in one.lines]
    assert (two.low, two.high) == (2 * one.low, 2 * one.high)


@given(st.text(min_size=1, max_size=30))
def test_a_type_that_nobody_knows_is_unknown_and_never_nothing(name: str) -> None:
    found = estimate([Resource(f"acme:{name}", "it", {})], region="us-east-1")
    assert [line.monthly_usd for line in found.unknown] == [None]
    assert found.total == 0


@pytest.mark.parametrize(
    "type_token", ["aws:iam/role:Role", "gcp:projects/service:Service", "kubernetes:apps/v1:Deployment"]
)
def test_what_is_free_has_no_line(type_token: str) -> None:
    assert priced(type_token).lines == ()


def test_a_price_that_the_region_lacks_is_unknown_and_tells_where_there_is_one() -> None:
    (line,) = priced("aws:sqs/queue:Queue", "eu-west-1").lines
    assert line.monthly_usd is None
    assert "no price of it in eu-west-1; in us-east-1 it is 0.4 USD" in line.note


def test_free_allowances_lower_the_low_end_alone() -> None:
    (line,) = priced(
        "azure-native:operationalinsights:Workspace", "westeurope", {"monthly_log_data_ingestion_gb": 5}
    ).lines
    assert (line.low_usd, line.monthly_usd) == (Decimal("0.00"), Decimal("14.95"))


def test_every_default_is_told_and_none_where_usage_is_given() -> None:
    assert len(priced("aws:s3/bucket:Bucket").assumptions) == 3
    given = {"storage_gb": 1, "monthly_tier_1_requests": 1, "monthly_tier_2_requests": 1}
    assert priced("aws:s3/bucket:Bucket", usage=given).assumptions == ()


def test_usage_of_a_component_speaks_for_what_is_below_it() -> None:
    parent = Resource("skywright:aws:Storage", "storage", {"spec": {}}, urn="u:storage")
    bucket = Resource("aws:s3/bucket:Bucket", "data", {}, parent="u:storage")
    found = estimate([parent, bucket], region="us-east-1", usage=Usage.from_dict({"storage": {"storage_gb": 1000}}))
    assert found.lines[0].monthly_usd == Decimal("23.00") and found.lines[0].part == "storage"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"it": {"storage": 1}}, "usage.it.storage is not asked for there; allowed: .*storage_gb"),
        (
            {"it": {"training_hours": 1}},
            "usage.it.training_hours is not asked for there; allowed: monthly_tier_1_requests",
        ),
        ({"it": {"storage_gb": -1}}, "usage.it.storage_gb is -1; allowed: a number, 0 or more"),
        ({"it": {"storage_gb": "many"}}, "allowed: a number"),
        ({"it": {"storage_gb": float("nan")}}, "allowed: a number"),
        ({"it": 5}, "usage.it is int; allowed: key -> number"),
        ([], "usage is list; allowed: resource name"),
    ],
)
def test_usage_that_is_not_asked_for_is_refused_in_one_line(data: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        estimate([Resource("aws:s3/bucket:Bucket", "it", {})], region="us-east-1", usage=Usage.from_dict(data))
    assert "\n" not in str(refused.value)


def test_usage_for_another_cloud_counts_for_nothing_and_is_told() -> None:
    usage = Usage.from_dict({"it": {"training_hours": 1}, "gone": {"storage_gb": 1}}).lenient()
    found = estimate([Resource("aws:s3/bucket:Bucket", "it", {})], region="us-east-1", usage=usage)
    assert any("usage.it.training_hours" in text for text in found.assumptions)
    assert any("usage names gone" in text for text in found.assumptions)


def test_a_change_is_told_resource_by_resource() -> None:
    def stack(*names: str) -> Estimate:
        return estimate([Resource("aws:ec2/eip:Eip", name, {}) for name in names], region="us-east-1")

    found = change(stack("kept", "gone"), stack("kept", "new", "more"))
    assert [(item.resource, item.delta) for item in found.resources] == [
        ("gone", Decimal("-3.65")), ("more", Decimal("3.65")), ("new", Decimal("3.65")),
    ]  # fmt: skip
    assert (found.delta, found.percent) == (Decimal("3.65"), Decimal("50.0"))
    assert change(stack(), stack("new")).percent is None


def test_caps_find_what_is_certain_and_tell_what_is_not() -> None:
    address = Resource("aws:ec2/eip:Eip", "it", {})
    strange = Resource("acme:a:B", "strange", {})
    one, two = estimate([address], region="us-east-1"), estimate([address, strange], region="us-east-1")
    assert check(one, None, Caps(max_monthly_usd=Decimal("3.65"))) == []
    assert check(one, None, Caps()) == []
    (above,) = check(one, None, Caps(max_monthly_usd=Decimal(3)))
    assert above.rule == "cost-within-cap" and above.is_certain and "0.65 USD above max_monthly_usd" in above.text
    (maybe,) = check(two, None, Caps(max_monthly_usd=Decimal(100)))
    assert not maybe.is_certain and "1 line more can't be told" in maybe.text
    doubled = estimate([address, Resource("aws:ec2/eip:Eip", "other", {})], region="us-east-1")
    grown = change(one, doubled)
    assert check(doubled, grown, Caps(max_increase_percent=Decimal(100))) == []
    (found,) = check(doubled, grown, Caps(max_increase_percent=Decimal(20)))
    assert found.rule == "cost-increase-within-cap" and "adds 3.65 USD a month, 100.0 %" in found.text
    (new,) = check(one, change(estimate([], region=None), one), Caps(max_increase_percent=Decimal(20)))
    assert not new.is_certain
