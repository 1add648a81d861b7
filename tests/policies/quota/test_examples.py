"""What the example stacks need of each quota, counted by hand (tier: graph)."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import pytest

from infra.reading import declared
from infra.settings import from_file
from policies.quota import Demand, Status, check, demand, findings
from policies.resources import Resource
from tests.graph.harness import STACKS


@functools.cache
def resources(stack: str) -> tuple[tuple[Resource, ...], str]:
    settings = from_file(STACKS / f"Pulumi.{stack}.yaml")
    return tuple(declared(settings)), str(settings.region)


def needs(stack: str) -> tuple[Demand, ...]:
    found, region = resources(stack)
    return demand(found, region=region)


NEEDS: Mapping[str, Mapping[str, float]] = {
    "aws-prod": {
        # 4 p4d and 8 g5.xlarge on spot, 2 g5.xlarge on demand, 10 replicas of 4 vCPUs
        "sagemaker/ml.p4d.24xlarge for spot training job usage": 4,
        "sagemaker/ml.g5.xlarge for spot training job usage": 8,
        "sagemaker/ml.g5.xlarge for training job usage": 2,
        "sagemaker/Number of instances across all spot training jobs": 12,
        "sagemaker/Number of instances across all training jobs": 2,
        "sagemaker/Maximum number of instances per spot training job": 8,
        "sagemaker/Maximum number of instances per training job": 2,
        "sagemaker/ml.m5.xlarge for endpoint usage": 10,
        "sagemaker/Number of instances across active endpoints": 10,
        "sagemaker/Maximum number of instances per endpoint": 10,
        "ec2/EC2-VPC Elastic IPs": 3,
        "vpc/VPCs per Region": 1,
        "vpc/Subnets per VPC": 6,
        "vpc/Route tables per VPC": 5,  # one public, three private, the network's own
        "vpc/VPC security groups per Region": 3,
    },
    "aws-cluster": {
        "ec2/All P Spot Instance Requests": 4 * 96,
        "ec2/Running On-Demand G and VT instances": 4 * 8,  # g5.2xlarge, the larger of two
        "ec2/Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances": 4 * 16 + 4 * 2,  # cpu pool, system
        "eks/Clusters": 1,
        "eks/Managed node groups per cluster": 1,
        "eks/Nodes per managed node group": 4,
        "eks/Access entries per cluster": 4,
    },
    "gcp-prod": {
        "vertex-ai/custom_model_training_preemptible_nvidia_a100_80gb_gpus": 4 * 8,
        "vertex-ai/custom_model_training_preemptible_nvidia_l4_gpus": 8,
        "vertex-ai/custom_model_training_nvidia_l4_gpus": 2,
        "vertex-ai/custom model training vCPUs of spot A2 machines": 4 * 96,
        "vertex-ai/custom model serving vCPUs of E2 machines": 10 * 4,
        "compute/NETWORKS": 1,
    },
    "gcp-cluster": {
        "compute/PREEMPTIBLE_NVIDIA_A100_80GB_GPUS": 32,
        "compute/NVIDIA_L4_GPUS": 4,
        "compute/GPUs (all regions)": 36,
        "compute/PREEMPTIBLE_CPUS": 4 * 96,
        "compute/CPUs": 4 * 8 + 6 * 4,  # cpu pool, system
        "compute/CPUs per VM family/G2": 4 * 4,
        "compute/CPUs (all regions)": 384 + 56 + 16,
        "compute/INSTANCES": 4 + 4 + 4 + 6,
        "compute/SSD_TOTAL_GB": 4 * 200 + 4 * 200 + 4 * 100 + 6 * 100,
        "compute/INSTANCE_GROUP_MANAGERS": 4 * 3,
        "gke/Regional clusters per region": 1,
        "gke/Nodes per Standard cluster": 18,
    },
    "azure-prod": {
        "machine-learning/Total Cluster Low Priority Regional vCPUs": 4 * 96 + 8 * 4,
        "machine-learning/standard NCASv3_T4 Family": 2 * 4,
        "machine-learning/standardDSv2Family": 48,  # ceil(1.2 x 10) x 4: the published example
        "machine-learning/Total Cluster Dedicated Regional vCPUs": 8 + 48,
        "machine-learning/Total compute limit per region": 4,
        "machine-learning/Number of instances per deployment": 10,
        "machine-learning/Number of endpoints per subscription": 1,
        "network/Public IP Addresses - Standard": 3,
        "storage/Storage accounts per region per subscription": 2,
    },
    "azure-cluster": {
        "compute/Total Regional Low-priority vCPUs": 4 * 96,
        "compute/Standard NCASv3_T4 Family": 4 * 4,
        "compute/standardDSv5Family": 4 * 8,
        "compute/standardDDSv5Family": 3 * 5 * 4,  # a system pool for each zone
        "compute/Total Regional vCPUs": 16 + 32 + 60,
        "aks/AKS managed clusters": 1,
        "aks/Maximum node pools per cluster": 6,
        "aks/Maximum nodes per cluster with Virtual Machine Scale Sets and Standard Load Balancer SKU": 27,
    },
}


@pytest.mark.parametrize("stack", NEEDS)
def test_the_needs_of_an_example_are_those_counted_by_hand(stack: str) -> None:
    found = {item.key.partition("/")[2]: item.needed for item in needs(stack)}
    assert {name: found.get(name) for name in NEEDS[stack]} == NEEDS[stack]


@pytest.mark.parametrize("stack", ["kubernetes-prod", "kubernetes-dev", "local"])
def test_machines_of_ones_own_have_no_quotas(stack: str) -> None:
    assert needs(stack) == ()


@pytest.mark.parametrize("stack", sorted(path.name.split(".")[1] for path in STACKS.glob("Pulumi.*.yaml")))
def test_every_demand_names_resources_of_the_stack(stack: str) -> None:
    names = {item.name for item in resources(stack)[0]}
    for item in needs(stack):
        assert item.resources and {name.partition(" (")[0] for name in item.resources} <= names


def test_karpenter_is_bound_to_what_is_counted() -> None:
    """Proves that the neutral pools and the declared limits of cpu tell the same vCPUs."""
    found, _ = resources("aws-cluster")
    limits = {item.name: int(item.props["spec"]["limits"]["cpu"]) for item in found if item.type.endswith(":NodePool")}
    assert sum(limits.values()) == 384 + 32 + 64


def test_a_new_account_lacks_what_the_example_needs_and_is_told_where_to_ask() -> None:
    lines = check(needs("aws-cluster"))
    (text, by) = next(item for item in findings(lines) if "L-7212CCBC" in item[0])
    assert text == (
        "All P Spot Instance Requests (L-7212CCBC): 384 vCPUs needed, published default 0; "
        "ask: Service Quotas console, service ec2, or RequestServiceQuotaIncrease"
    )
    assert by == ("training (pool spot-gpu)",)
    assert len(findings(lines)) == sum(line.status is Status.SHORT for line in lines) == 3


def test_warm_pools_need_their_own_quota_for_on_demand_alone() -> None:
    found, region = resources("aws-prod")
    names = {item.name: item.needed for item in demand(found, region=region, keeps_warm_pools=True)}
    assert {name: count for name, count in names.items() if "warm pool" in name} == {
        "ml.g5.xlarge for training warm pool usage": 2
    }
