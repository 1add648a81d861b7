"""What parses may still not fit the region, the network, the instance types: each such mistake is one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import Field

from components.aws.settings import AwsSettings
from components.specs import Spec
from infra.settings import InvalidSettings, load
from infra.settings.checks_fit import FITS, _own_ranges

AWS = {"cloud": "aws", "region": "eu-west-1"}
GCP = {"cloud": "gcp", "region": "europe-west4"}
AZURE = {"cloud": "azure", "region": "westeurope"}
KUBERNETES = {"cloud": "kubernetes"}


def config(**values: Any) -> dict[str, str]:
    return {f"skywright:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def pool(kind: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"pools": {"gpu": {"accelerator": {"kind": kind, "count": count}, **more}}}


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({**AWS, "network": {"zones": 4}},
     "skywright:network.zones is 4; allowed in eu-west-1: 1 to 3.", "Set it to 3, or choose another region."),
    ({**GCP, "network": {"zones": 6}}, "skywright:network.zones is 6; allowed in europe-west4: 1 to 3.", "Set it to 3"),
    ({"cloud": "azure", "region": "westus", "network": {"zones": 2}},
     "skywright:network.zones is 2; allowed in westus: 1, it has no zones.", "choose a region with zones"),
    ({"cloud": "aws", "region": "us-east-1", "network": {"zones": 6, "cidr": "10.0.0.0/24"}},
     "skywright:network.cidr is '10.0.0.0/24'; network 10.0.0.0/24 is too small for 6 zones; allowed: a prefix of",
     "Give it more room"),
    ({**AWS, "training": pool("L4")},
     "skywright:training.pools.gpu.accelerator.kind is 'L4'; accelerator L4 is asked for; allowed on SageMaker in "
     "eu-west-1: T4, A10G, V100, A100-40.",
     "`skywright clouds accelerators --cloud aws --region eu-west-1` lists all."),
    ({**AWS, "training": pool("A10G", 3)}, "skywright:training.pools.gpu.accelerator.count is 3;", "Take 4."),
    ({**AZURE, "training": {**pool("A100-40", 1), "runtime": "kubernetes"}},
     "skywright:training.pools.gpu.accelerator.count is 1; 1 x A100-40 is asked for; allowed on azure's clusters",
     "Take 8."),
    ({**GCP, "endpoint": {"accelerator": {"kind": "H200", "count": 2}}},
     "skywright:endpoint.accelerator.count is 2; 2 x H200 is asked for; allowed on Vertex AI", "Take 8."),
    ({**AWS, "training": {"pools": {"cpu": {"ranks": 128, "cpu_class": "compute"}}}},
     "skywright:training.pools.cpu.ranks is 128; 128 vCPUs of class compute are asked for; allowed on SageMaker: 1 to",
     "Take more, smaller instances."),
    ({**GCP, "endpoint": {"cpus": 128}}, "skywright:endpoint.cpus is 128; 128 vCPUs of class general", "Take more"),
    ({**KUBERNETES, "environment": "prod", "endpoint": {"is_spot": True}},
     "skywright:endpoint.is_spot is true in environment 'prod'; allowed: false.", "Remove the line"),
    *(({**cloud, "endpoint": {"runtime": "kubernetes"}},
       f"skywright:endpoint.runtime is 'kubernetes' without a cluster; allowed on {cloud['cloud']}: managed",
       "Set skywright:training.runtime to kubernetes too, or remove the line.") for cloud in (AWS, GCP, AZURE)),
    ({**KUBERNETES, "training": {**pool("L4"), "teams": {"a": {"max_accelerators": {"L44": 2}}}}},
     "skywright:training.teams.a.max_accelerators.L44 names what no pool has; allowed: L4.",
     "Did you mean L4?"),
    ({**KUBERNETES, "training": {"teams": {"a": {"max_accelerators": {"H100": 2}}}}},
     "allowed: none, no pool has any.", "Remove the line, or add a pool"),
    ({**AWS, "aws": {"kubernetes": {"public_access_cidrs": ["300.0.0.0/8"]}}},
     "skywright:aws.kubernetes.public_access_cidrs is '300.0.0.0/8'; allowed: an IPv4 network", "300"),
    ({**GCP, "gcp": {"kubernetes": {"authorized_networks": ["10.0.0.1/8"]}}},
     "skywright:gcp.kubernetes.authorized_networks is '10.0.0.1/8'; allowed: an IPv4 network", "host bits"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "said", "remedy"), MISTAKES)
def test_what_does_not_fit_is_one_line(values: dict[str, Any], said: str, remedy: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(config(**values), stack="x")
    (line,) = caught.value.lines
    assert said in line and remedy in line, line
    assert line.startswith("stacks/Pulumi.x.yaml: skywright:") and "\n" not in line and ".. " not in line


GOOD: list[dict[str, Any]] = [
    {**AWS, "network": {"zones": 3, "cidr": "10.0.0.0/24"}},
    {"cloud": "aws", "region": "us-east-1", "network": {"zones": 6}},
    {"cloud": "azure", "region": "westus", "training": {"pools": {"cpu": {}}}},  # the default of two zones is no ask
    {**GCP, "training": {**pool("L4", 8), "runtime": "kubernetes"}, "endpoint": {"runtime": "kubernetes"}},
    {**KUBERNETES, "network": {"zones": 6, "cidr": "10.0.0.0/24"}, "training": pool("H200", 3)},
    {**KUBERNETES, "endpoint": {"is_spot": True, "runtime": "kubernetes"}},
    {"cloud": "local", "training": {"pools": {"cpu": {"ranks": 128}}}},
]  # fmt: skip


@pytest.mark.parametrize("values", GOOD)
def test_what_fits_is_taken(values: dict[str, Any]) -> None:
    assert load(config(**values), stack="x").cloud == values["cloud"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("Team_A", "Call it team-a."), ("a.b", "Call it a-b."), ("a--b", "Call it a-b."), ("x" * 41, f"it {'x' * 40}.")],
)
def test_a_stack_name_that_clouds_would_change_is_refused(name: str, remedy: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(config(**AWS), stack=name)
    (line,) = caught.value.lines
    assert f"the stack's name is {name!r}; allowed on aws: lower case letters and digits" in line and remedy in line
    assert load(config(cloud="local"), stack=name).stack == name


def test_networks_of_the_clouds_own_section_lie_apart() -> None:
    class Cluster(Spec):
        service_cidr: str | None = Field("10.0.128.0/20")
        pods_cidr: str | None = Field("10.0.130.0/24")

    class Own(AwsSettings):
        cluster: Cluster = Cluster()

    stack = load(config(**AWS, network={"cidr": "10.0.0.0/17"}), stack="x")
    (found,) = _own_ranges(stack.model_copy(update={"aws": Own()}))
    assert found.path == "skywright:aws.cluster.pods_cidr"
    assert "apart from skywright:aws.cluster.service_cidr (10.0.128.0/20)" in found.problem
    assert found.remedy == "Choose another, such as 172.16.0.0/24."
    wider = load(config(**AWS, network={"cidr": "10.0.0.0/16"}), stack="x").model_copy(update={"aws": Own()})
    assert [item.path.rsplit(".", 1)[1] for item in _own_ranges(wider)] == ["service_cidr", "pods_cidr", "pods_cidr"]


def test_every_check_bears_the_smallest_stack() -> None:
    for place in (AWS, GCP, AZURE, KUBERNETES, {"cloud": "local"}):
        stack = load(config(**place), stack="x")
        assert [list(fits(stack)) for fits in FITS] == [[]] * len(FITS)
