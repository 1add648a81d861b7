"""The catalog: subnets, instance types, prices, names: properties, and the clouds' own lists as judges."""

from __future__ import annotations

from ipaddress import IPv4Network

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import prices
from catalog.accelerators import ACCELERATORS, on_cloud
from catalog.cidrs import InvalidNetwork, overlapping, subnet_cidrs
from catalog.errors import UserError
from catalog.instances import WHOLE_REGIONS, candidates, choose, kinds_in, price, regions_with
from catalog.labels import gcp_labels, kubernetes_labels
from catalog.names import NameRule, name_for, unique_name_for
from catalog.regions import REGIONS
from catalog.zones import zone_count
from infra.rehearsal.gcp import model as gcp


@pytest.mark.parametrize(
    ("network", "zones", "private", "public"),
    [
        ("10.0.0.0/16", 3, ["10.0.0.0/18", "10.0.64.0/18", "10.0.128.0/18"],
         ["10.0.192.0/20", "10.0.208.0/20", "10.0.224.0/20"]),
        ("10.0.0.0/16", 1, ["10.0.0.0/17"], ["10.0.128.0/17"]),
        ("172.16.0.0/24", 2, ["172.16.0.0/26", "172.16.0.64/26"], ["172.16.0.128/26", "172.16.0.192/26"]),
    ],
)  # fmt: skip
def test_private_subnets_take_the_largest_aligned_blocks(
    network: str, zones: int, private: list[str], public: list[str]
) -> None:
    plan = subnet_cidrs(network, zones)
    assert (list(plan.private), list(plan.public)) == (private, public)


networks = st.builds(
    lambda address, prefix: str(IPv4Network((address, prefix), strict=False)),
    st.integers(0, 2**32 - 1), st.integers(8, 24),
)  # fmt: skip


@given(networks, st.integers(1, 6))
def test_no_two_subnets_overlap_and_all_lie_inside(network: str, zones: int) -> None:
    try:
        plan = subnet_cidrs(network, zones)
    except InvalidNetwork as error:
        assert IPv4Network(network).prefixlen > 20 and "allowed: a prefix of /" in str(error)
        return
    whole = IPv4Network(network)
    cut = [IPv4Network(cidr) for cidr in (*plan.private, *plan.public)]
    assert len(cut) == 2 * zones
    assert all(subnet.subnet_of(whole) and subnet.prefixlen <= 28 for subnet in cut)
    assert not any(first.overlaps(second) for i, first in enumerate(cut) for second in cut[i + 1 :])


@given(st.integers(25, 30), st.integers(1, 6))
def test_a_network_that_is_too_small_names_a_prefix_that_fits(prefix: int, zones: int) -> None:
    with pytest.raises(InvalidNetwork) as refused:
        subnet_cidrs(f"10.0.0.0/{prefix}", max(zones, 5))
    fits = str(refused.value).split("a prefix of /")[1].split(" ")[0]
    assert subnet_cidrs(f"10.0.0.0/{fits}", max(zones, 5))


def test_overlapping_networks_are_named() -> None:
    assert overlapping({"network": "10.0.0.0/16", "pods": "10.1.0.0/16"}) is None
    assert overlapping({"network": "10.0.0.0/16", "services": "10.0.4.0/22"}) == ("network", "services")


def test_every_managed_type_on_aws_is_one_that_sagemaker_takes() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    for purpose, shape in (("training", "TrainingInstanceType"), ("serving", "ProductionVariantInstanceType")):
        known = set(model.shape_for(shape).enum)
        for kind, counts in kinds_in("aws", None, "managed", purpose).items():  # type: ignore[arg-type]
            for count in counts:
                found = candidates("aws", None, runtime="managed", accelerator=kind, count=count, purpose=purpose)  # type: ignore[arg-type]
                assert {item.name for item in found} <= known
        for cpu_class in ("general", "compute", "memory"):
            found = candidates("aws", None, runtime="managed", cpu_class=cpu_class, purpose=purpose)  # type: ignore[arg-type]
            assert {item.name for item in found} <= known


def test_every_machine_type_on_aws_is_one_that_ec2_knows() -> None:
    known = set(botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType").enum)
    for kind, counts in kinds_in("aws", None, "kubernetes").items():
        for count in counts:
            found = candidates("aws", None, runtime="kubernetes", accelerator=kind, count=count)
            assert {item.name for item in found} <= known


def test_every_accelerator_on_vertex_is_one_that_its_api_names() -> None:
    known = set(gcp.schema("aiplatform.v1", "GoogleCloudAiplatformV1MachineSpec").members["acceleratorType"].enum)
    for kind, counts in kinds_in("gcp", None, "managed").items():
        for count in counts:
            for item in candidates("gcp", None, runtime="managed", accelerator=kind, count=count):
                assert item.api_accelerator in known


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_what_a_cloud_is_said_to_rent_can_be_had_there(cloud: str) -> None:
    assert set(kinds_in(cloud, None, "kubernetes")) == set(on_cloud(cloud))
    for region in WHOLE_REGIONS[cloud]:
        assert region in REGIONS[cloud]
        assert "T4" in kinds_in(cloud, region, "managed")


@given(
    st.sampled_from(["aws", "gcp", "azure"]), st.sampled_from(list(ACCELERATORS)), st.integers(1, 16), st.booleans(),
    st.sampled_from(["managed", "kubernetes"]), st.data(),
)  # fmt: skip
def test_an_ask_is_met_exactly_or_refused_in_one_line(
    cloud: str, kind: str, count: int, is_spot: bool, runtime: str, data: st.DataObject
) -> None:
    region = data.draw(st.sampled_from(REGIONS[cloud]))
    try:
        found = candidates(cloud, region, runtime=runtime, accelerator=kind, count=count, is_spot=is_spot)  # type: ignore[arg-type]
    except UserError as error:
        assert "\n" not in str(error) and "allowed on" in str(error)
        return
    assert {(item.accelerator, item.accelerator_count) for item in found} == {(kind, count)}
    assert all(price(item, region, is_spot=is_spot) != 0 for item in found)


@given(st.sampled_from(["aws", "gcp", "azure"]), st.integers(1, 16), st.sampled_from(["general", "compute", "memory"]))
def test_cpu_instances_are_the_smallest_that_are_large_enough(cloud: str, vcpus: int, cpu_class: str) -> None:
    found = candidates(cloud, None, runtime="kubernetes", vcpus=vcpus, cpu_class=cpu_class)
    assert found[0].vcpus >= vcpus
    assert found[0].vcpus == min(item.vcpus for item in found)
    ratio = found[0].memory_gib / found[0].vcpus
    assert ratio < 3 if cpu_class == "compute" else ratio > 6 if cpu_class == "memory" else 3 < ratio < 6


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (("aws", "eu-west-1", "L4", 1), "The nearest with 24 GiB or more is A10G; L4 is in us-east-1"),
        (("aws", "eu-west-1", "A10G", 2), "allowed on SageMaker in eu-west-1: 1, 4, 8 x A10G. Take 1."),
        (("azure", "westeurope", "A10G", 1), "allowed on Azure ML in westeurope: T4, A100-40"),
        (("gcp", "us-central1", "H1000", 1), "Did you mean H100?"),
    ],
)
def test_an_impossible_ask_lists_the_nearest_possible_ones(ask: tuple[str, str, str, int], words: str) -> None:
    cloud, region, kind, count = ask
    with pytest.raises(UserError) as refused:
        candidates(cloud, region, runtime="managed", accelerator=kind, count=count)
    assert words in str(refused.value)


def test_prices_add_up_and_what_is_doubtful_is_unknown() -> None:
    g5 = choose("aws", "us-east-1", runtime="kubernetes", accelerator="A10G")
    assert price(g5, "us-east-1") == 1.006 and (price(g5, "us-east-1", is_spot=True) or 9) < 1.006
    assert price(g5, "af-south-1") is None
    n1 = choose("gcp", "us-central1", runtime="kubernetes", accelerator="T4", count=2)
    host, devices = prices.instance("gcp", "n1-standard-8", "us-central1"), 2 * 0.35
    assert host and host.on_demand and price(n1, "us-central1") == pytest.approx(host.on_demand + devices, abs=0.01)
    h200 = choose("gcp", "europe-west4", runtime="kubernetes", accelerator="H200", count=8)
    assert price(h200, "europe-west4") is None and price(h200, "europe-west4", is_spot=True)
    managed = choose("aws", "us-east-1", runtime="managed", accelerator="A10G")
    assert managed.name == "ml.g5.xlarge" and price(managed, "us-east-1") == 1.408
    assert price(managed, "us-east-1", is_spot=True) is None  # SageMaker publishes no price of spot


def test_regions_with_names_only_regions_that_have_it() -> None:
    for region in regions_with("aws", "H100", 8):
        assert 8 in kinds_in("aws", region, "kubernetes")["H100"]


def test_zones_of_every_region_are_known() -> None:
    assert all(1 <= zone_count(cloud, region) <= 6 for cloud in REGIONS for region in REGIONS[cloud])


RULE = NameRule("thing", 32, "https://example.invalid", min_length=3)
PLAIN = NameRule("account", 24, "https://example.invalid", separator="")


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5), st.sampled_from([RULE, PLAIN]))
def test_names_fit_and_are_stable(parts: list[str], rule: NameRule) -> None:
    made = name_for(rule, *parts)
    assert rule.min_length <= len(made) <= rule.max_length
    assert made[0].isalpha() and made[-1].isalnum() and made == made.lower() == name_for(rule, *parts)
    assert all(char.isascii() and (char.isalnum() or char == rule.separator) for char in made)


def test_long_names_differ_where_they_were_cut_and_short_ones_stay() -> None:
    assert name_for(RULE, "skywright", "aws-dev", "data") == "skywright-aws-dev-data"
    first, second = (name_for(RULE, "skywright", "a" * 40, end) for end in ("training", "serving"))
    assert first != second and len(first) == 32
    one, other = (unique_name_for(RULE, "skywright", "data", scope=account) for account in ("1", "2"))
    assert one != other and one.startswith("skywright-data-")


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_-]{0,62}\Z"), st.text(max_size=63), max_size=5))
def test_labels_are_what_each_cloud_takes(tags: dict[str, str]) -> None:
    import re

    for key, value in gcp_labels(tags).items():
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) and re.fullmatch(r"[a-z0-9_-]{0,63}", value)
    for key, value in kubernetes_labels(tags).items():
        prefix, name = key.split("/")
        assert prefix == "skywright.dev" and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", name)
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", value)
