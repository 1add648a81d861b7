"""What each AWS type costs in us-east-1, calculated by hand from the catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from policies.cost import estimate
from policies.examples import Ref, declared
from policies.resources import UNKNOWN
from tests.policies.cost.helpers import Amounts, amounts, component, priced, usd

PRICES: list[tuple[str, dict[str, Any], dict[str, float], Amounts]] = [
    ("aws:s3/bucket:Bucket", {}, {"storage_gb": 1000, "monthly_tier_1_requests": 50_000,
     "monthly_tier_2_requests": 1e6},
     usd(storage="23.00", writes_and_lists="0.25", reads="0.40")),
    ("aws:ec2/natGateway:NatGateway", {}, {"monthly_data_processed_gb": 10}, usd(gateway_hours="32.85",
     data_processed="0.45")),
    ("aws:ec2/eip:Eip", {}, {}, usd(public_address="3.65")),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Gateway"}, {}, {}),
    ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN, UNKNOWN]},
     {"monthly_data_processed_gb": 0}, usd(endpoint_hours="14.60", data_processed="0")),
    ("aws:ecr/repository:Repository", {}, {"storage_gb": 30}, usd(images="3.00")),
    ("aws:lb/loadBalancer:LoadBalancer", {"loadBalancerType": "network"}, {"capacity_units": 2},
     usd(balancer_hours="16.43", capacity_units="8.76")),
    ("aws:ec2/instance:Instance", {"instanceType": "g4dn.xlarge", "rootBlockDevice": {"volumeSize": 100,
     "volumeType": "gp3"}},
     {}, usd(instance_hours="383.98", root_disk="8.00")),
    ("aws:ebs/volume:Volume", {"type": "gp3", "size": 200, "iops": 4000, "throughput": 250}, {},
     {"storage": Decimal("16.00"), "IOPS above 3000": Decimal("5.00"),
     "throughput above 125 MiB/s": Decimal("5.00")}),
    ("aws:ebs/volume:Volume", {"type": "io2", "size": 100, "iops": 1000}, {}, {"storage": Decimal("12.50"),
     "IOPS": Decimal("65.00")}),
    ("aws:eks/cluster:Cluster", {"enabledClusterLogTypes": ["api"]}, {"monthly_data_ingested_gb": 4},
     usd(control_plane="73.00", control_plane_logs="2.00")),
    ("aws:cloudwatch/logGroup:LogGroup", {}, {"monthly_data_ingested_gb": 10, "log_storage_gb": 100},
     usd(log_intake="5.00", log_storage="3.00")),
    ("aws:cloudwatch/dashboard:Dashboard", {}, {}, usd(dashboard="3.00")),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", {"period": 60}, {}, usd(alarm="0.10")),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", {"period": 10}, {}, usd(alarm="0.30")),
    ("aws:cloudwatch/metricAlarm:MetricAlarm",
     {"metricQueries": [{"id": "a", "metric": {"period": 60}}, {"id": "b", "metric": {"period": 60}},
     {"id": "c"}]}, {},
     usd(alarm="0.20")),
    ("aws:kms/key:Key", {"enableKeyRotation": True}, {"monthly_key_requests": 20_000}, usd(key="1.00",
     requests="0.06")),
    ("aws:kms/key:Key", {"keyUsage": "SIGN_VERIFY"}, {"monthly_key_requests": 20_000}, usd(key="1.00",
     requests="0.30")),
    ("aws:secretsmanager/secret:Secret", {}, {"monthly_secret_requests": 20_000}, usd(secret="0.40",
     requests="0.10")),
    ("aws:sqs/queue:Queue", {}, {"monthly_messages": 5e6}, usd(messages="2.00")),
    ("aws:sns/topic:Topic", {}, {"monthly_messages": 3e6}, usd(messages="1.50")),
    ("aws:sns/topicSubscription:TopicSubscription", {"protocol": "email"}, {"monthly_emails": 100_000},
     usd(mails="2.00")),
    ("aws:sns/topicSubscription:TopicSubscription", {"protocol": "lambda"}, {}, {}),
    ("aws:lambda/function:Function", {"memorySize": 512, "architectures": ["arm64"]},
     {"monthly_invocations": 1e6, "request_duration_ms": 1000}, usd(invocations="0.20", run_time="6.67")),
    ("aws:budgets/budgetAction:BudgetAction", {}, {}, usd(budget_with_actions="3.00")),
    ("aws:rds/instance:Instance", {"engine": "postgres", "multiAz": True, "instanceClass": "db.t4g.medium",
     "allocatedStorage": 100},
     {}, usd(instance_hours="94.17", storage="23.00")),
    ("aws:elasticache/cluster:Cluster", {"engine": "redis", "nodeType": "cache.t3.micro", "numCacheNodes": 2}, {},
     usd(node_hours="24.82")),
    ("aws:fsx/lustreFileSystem:LustreFileSystem", {"deploymentType": "SCRATCH_2", "storageCapacity": 1200}, {},
     usd(storage="168.00")),
    ("aws:sagemaker/notebookInstance:NotebookInstance", {"instanceType": "ml.t3.medium", "volumeSize": 10},
     {"notebook_hours": 100},
     usd(instance_hours="5.00", volume="1.40")),
    ("aws:sagemaker/endpointConfiguration:EndpointConfiguration",
     {"productionVariants": [{"variantName": "v1", "instanceType": "ml.g5.xlarge", "initialInstanceCount": 2}]}, {},
     {"v1 instance hours": Decimal("2055.68")}),
    ("aws:sagemaker/endpointConfiguration:EndpointConfiguration",
     {"productionVariants": [{"variantName": "v1", "serverlessConfig": {"memorySizeInMb": 2048,
     "maxConcurrency": 5}}]},
     {"monthly_requests": 1e6, "request_duration_ms": 100}, {"v1 serverless inference": Decimal("4.00")}),
    ("aws:sagemaker/endpoint:Endpoint", {}, {"monthly_inference_data_gb": 100}, usd(data_in_and_out="1.60")),
    ("aws:eks/nodeGroup:NodeGroup", {"instanceTypes": ["m5.large"], "diskSize": 50,
     "scalingConfig": {"desiredSize": 3, "minSize": 1, "maxSize": 6}}, {}, usd(node_hours="210.24",
     node_disks="12.00")),
]  # fmt: skip


@pytest.mark.parametrize(("type_token", "props", "usage", "expected"), PRICES)
def test_each_type_costs_what_the_catalogue_says(
    type_token: str, props: dict[str, Any], usage: dict[str, float], expected: Amounts
) -> None:
    assert amounts(priced(type_token, usage=usage, **props)) == expected


def test_the_nodes_disks_stand_in_their_launch_template_and_the_high_end_is_the_largest_group() -> None:
    found = estimate(
        [
            declared("aws:ec2/launchTemplate:LaunchTemplate", "template",
                     blockDeviceMappings=[{"ebs": {"volumeSize": 80, "volumeType": "gp3"}}]),
            declared("aws:eks/nodeGroup:NodeGroup", "nodes", instanceTypes=["m5.large"],
     launchTemplate=Ref("template"),
                     scalingConfig={"desiredSize": 2, "maxSize": 4}),
        ],
        region="us-east-1",
    )  # fmt: skip
    hours, disks = found.lines
    assert (hours.monthly_usd, hours.low_usd, hours.high_usd) == tuple(map(Decimal, ("140.16", "140.16", "280.32")))
    assert disks.monthly_usd == Decimal("12.80")


def pools(**pool: Any) -> dict[str, Any]:
    return {"pools": {"gpu": {"ranks": 2, "cpu_class": "general", "is_spot": False, "max_count": 4, **pool}}}


def karpenter(capacity: str, machine: str) -> dict[str, Any]:
    return {
        "spec": {
            "template": {
                "metadata": {"labels": {"skywright.dev/pool": "gpu"}},
                "spec": {
                    "requirements": [
                        {"key": "node.kubernetes.io/instance-type", "values": [machine]},
                        {"key": "karpenter.sh/capacity-type", "values": [capacity]},
                    ]
                },
            }
        }
    }


def test_a_spot_pool_has_a_low_a_likely_and_a_high_end() -> None:
    cluster = component("aws", "TrainingCluster", {"runtime": "kubernetes", **pools(is_spot=True)}, "training")
    pool = declared(
        "kubernetes:karpenter.sh/v1:NodePool", "pool", parent="training", **karpenter("spot", "g4dn.xlarge")
    )
    found = estimate([cluster, pool], region="us-east-1")
    hours = next(line for line in found.lines if line.component == "node hours")
    # 4 nodes x 100 h at 0.2132, 0.215, 0.216
    assert (hours.low_usd, hours.monthly_usd, hours.high_usd) == (Decimal("85.28"), Decimal("86.00"), Decimal("86.40"))
    assert "training_hours = 100" in " ".join(found.assumptions)


def test_managed_training_on_demand_is_priced_and_on_spot_is_bounded_but_unknown() -> None:
    a10g = {"kind": "A10G", "count": 1}
    on_demand = estimate([component("aws", "TrainingCluster", pools(accelerator=a10g))], region="us-east-1")
    line = on_demand.lines[0]
    assert line.monthly_usd == Decimal("140.80") * 4  # ml.g5.xlarge, 1.408 an hour, 100 h
    spot = estimate([component("aws", "TrainingCluster", pools(accelerator=a10g, is_spot=True))], region="us-east-1")
    line = spot.lines[0]
    assert (line.monthly_usd, line.low_usd, line.high_usd) == (None, None, Decimal("563.20"))
    assert spot.unknown == (line,)


def test_an_endpoint_may_cost_as_much_as_its_most_replicas() -> None:
    endpoint = component("aws", "ModelEndpoint", {"max_replicas": 5, "releases": {}}, "endpoint")
    variants = [{"variantName": "v", "instanceType": "ml.m5.large", "initialInstanceCount": 1}]
    config = declared("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "config", parent="endpoint",
                      productionVariants=variants)  # fmt: skip
    line = estimate([endpoint, config], region="us-east-1").lines[0]
    assert line.monthly_usd and line.high_usd == 5 * line.monthly_usd


def test_traffic_is_billed_out_between_zones_and_between_regions() -> None:
    usage = {
        "monthly_egress_data_transfer_gb": 20_480.0,
        "monthly_inter_zone_gb": 50.0,
        "monthly_inter_region_gb": 10.0,
    }
    from policies.cost import Usage

    found = estimate([component("aws", "Network", {})], region="us-east-1", usage=Usage.from_dict({"network": usage}))
    assert amounts(found) == {
        "out to the internet": Decimal("1792.00"),  # 10240 x 0.09 + 10240 x 0.085
        "between zones": Decimal("1.00"),  # both directions
        "to other regions": Decimal("0.20"),
    }
