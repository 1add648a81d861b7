"""What each type of Google Cloud, Azure and Kubernetes costs, calculated by hand from the catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from policies.cost import Usage, estimate
from policies.examples import declared
from policies.resources import UNKNOWN
from tests.policies.cost.helpers import Amounts, amounts, component, priced, usd

GCP: list[tuple[str, dict[str, Any], dict[str, float], Amounts]] = [
    ("gcp:storage/bucket:Bucket", {"location": "EUROPE-WEST4", "storageClass": "STANDARD"},
     {"storage_gb": 1000, "monthly_class_a_operations": 100_000, "monthly_class_b_operations": 1e6},
     usd(storage="20.00", writes_and_lists="0.50", reads="0.40")),
    ("gcp:storage/bucket:Bucket", {"location": "US", "storageClass": "STANDARD"},
     {"storage_gb": 1000, "monthly_class_a_operations": 100_000, "monthly_class_b_operations": 0},
     {"storage": Decimal("26.00"), "writes and lists": Decimal("1.00"), "reads": None}),
    ("gcp:artifactregistry/repository:Repository", {}, {"storage_gb": 30}, usd(images="3.00")),
    ("gcp:compute/routerNat:RouterNat", {}, {"assigned_vms": 10, "monthly_data_processed_gb": 100},
     usd(gateway_hours="10.20", data_processed="4.50", public_address="3.65")),
    ("gcp:compute/routerNat:RouterNat", {}, {"assigned_vms": 100, "monthly_data_processed_gb": 100},
     usd(gateway_hours="32.70", data_processed="4.50", public_address="3.65")),
    ("gcp:compute/address:Address", {"addressType": "INTERNAL"}, {}, {}),
    ("gcp:compute/address:Address", {}, {}, usd(public_address="3.65")),
    ("gcp:kms/cryptoKey:CryptoKey", {}, {"active_key_versions": 4, "monthly_key_operations": 50_000},
     usd(key_versions="0.24", operations="0.15")),
    ("gcp:logging/projectBucketConfig:ProjectBucketConfig", {"retentionDays": 365},
     {"monthly_logging_data_gb": 100, "log_storage_gb": 100}, usd(log_intake="50.00", log_storage="1.00")),
    ("gcp:compute/disk:Disk", {"type": "pd-ssd", "size": 100}, {}, usd(storage="17.00")),
    ("gcp:compute/instance:Instance", {"machineType": "e2-standard-4"}, {}, usd(instance_hours="97.83")),
    ("gcp:compute/instance:Instance", {"machineType": "n1-standard-4"}, {},
     usd(instance_hours="138.70", sustained_use="-41.61")),
    ("gcp:compute/instance:Instance", {"machineType": "n1-standard-4",
     "scheduling": {"provisioningModel": "SPOT"}}, {},
     usd(instance_hours="46.59")),
    ("gcp:container/cluster:Cluster", {}, {}, usd(control_plane="73.00")),
    ("gcp:container/nodePool:NodePool",
     {"nodeConfig": {"machineType": "e2-standard-4", "diskSizeGb": 100, "diskType": "pd-balanced"},
      "autoscaling": {"totalMinNodeCount": 1, "totalMaxNodeCount": 6}}, {}, usd(node_hours="97.83",
     node_disks="10.00")),
    ("gcp:redis/instance:Instance", {"memorySizeGb": 5, "tier": "STANDARD_HA"}, {}, usd(capacity="197.10")),
    ("gcp:filestore/instance:Instance", {"tier": "ZONAL", "fileShares": {"capacityGb": 1024}}, {},
     usd(capacity="256.00")),
    ("gcp:pubsub/topic:Topic", {}, {"monthly_message_data_tb": 1}, usd(messages="40.00")),
    ("gcp:secretmanager/secret:Secret", {}, {"monthly_access_operations": 20_000}, usd(versions="0.06",
     reads="0.06")),
    ("pulumi-python:dynamic/gcp:VertexDeployments",
     {"hardware": {"machine_type": "n1-standard-4", "min_replicas": 2, "max_replicas": 4, "accelerator_count": 0},
      "releases": {"v1": {}}}, {}, {"v1 replicas": Decimal("319.74")}),
]  # fmt: skip

AZURE: list[tuple[str, dict[str, Any], dict[str, float], Amounts]] = [
    ("azure-native:network:NatGateway", {}, {"monthly_data_processed_gb": 10}, usd(gateway_hours="32.85",
     data_processed="0.45")),
    ("azure-native:network:PublicIPAddress", {}, {}, usd(public_address="3.65")),
    ("azure-native:network:PrivateEndpoint", {}, {"monthly_data_processed_gb": 10}, usd(endpoint_hours="7.30",
     data_processed="0.10")),
    ("azure-native:privatedns:PrivateZone", {"location": "global"}, {}, usd(zone="0.50")),
    ("azure-native:storage:StorageAccount", {"sku": {"name": "Standard_LRS"}, "accessTier": "Hot"},
     {"storage_gb": 1000, "monthly_write_operations": 100_000, "monthly_list_and_create_container_operations": 10_000,
      "monthly_read_operations": 1e6}, usd(storage="19.60", writes="0.54", lists="0.05", reads="0.43")),
    ("azure-native:containerregistry:Registry", {"sku": {"name": "Premium"}}, {}, usd(registry="50.69")),
    ("azure-native:operationalinsights:Workspace", {"retentionInDays": 30}, {"monthly_log_data_ingestion_gb": 10},
     usd(log_intake="29.90")),
    ("azure-native:monitor:ScheduledQueryRule", {"evaluationFrequency": "PT1M"}, {}, usd(log_alarm="3.00")),
    ("azure-native:containerservice:ManagedCluster",
     {"sku": {"tier": "Standard"}, "agentPoolProfiles": [
         {"name": "system", "vmSize": "Standard_D4s_v5", "count": 2, "osDiskType": "Ephemeral"}]}, {},
     {"control plane": Decimal("73.00"), "system node hours": Decimal("335.80")}),
    ("azure-native:machinelearningservices:OnlineDeployment",
     {"sku": {"capacity": 2}, "properties": {"instanceType": "Standard_D4s_v5"}}, {}, usd(instance_hours="335.80")),
    ("azure-native:machinelearningservices:Compute",
     {"computeName": "x", "properties": {"computeType": "AmlCompute", "properties": {
         "vmSize": "Standard_NC4as_T4_v3", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}}}},
     {"training_hours": 50}, usd(node_hours="65.80")),
]  # fmt: skip


@pytest.mark.parametrize(("type_token", "props", "usage", "expected"), GCP)
def test_google_cloud(type_token: str, props: dict[str, Any], usage: dict[str, float], expected: Amounts) -> None:
    assert amounts(priced(type_token, "us-central1", usage, **props)) == expected


@pytest.mark.parametrize(("type_token", "props", "usage", "expected"), AZURE)
def test_azure(type_token: str, props: dict[str, Any], usage: dict[str, float], expected: Amounts) -> None:
    assert amounts(priced(type_token, "westeurope", usage, **props)) == expected


def test_azures_spot_has_a_price_of_its_own_and_a_disk_its_size_class() -> None:
    found = priced(
        "azure-native:compute:VirtualMachine", "eastus", priority="Spot",
        hardwareProfile={"vmSize": "Standard_NC4as_T4_v3"},
        storageProfile={"osDisk": {"diskSizeGB": 100, "managedDisk": {"storageAccountType": "Premium_LRS"}}},
    )  # fmt: skip
    assert amounts(found) == usd(instance_hours="45.77", system_disk="19.71")


@pytest.mark.parametrize(
    ("cloud", "region", "expected"),
    [("aws", "us-east-1", "4.00"), ("gcp", "us-central1", "5.00"), ("kubernetes", None, None)],
)
def test_a_claim_is_a_disk_of_the_cloud_below(cloud: str, region: str | None, expected: str | None) -> None:
    claim = declared("kubernetes:core/v1:PersistentVolumeClaim", "claim",
                     spec={"resources": {"requests": {"storage": "50Gi"}}})  # fmt: skip
    found = estimate([component(cloud, "Storage", {}), claim], region=region)
    assert amounts(found) == {"volume": None if expected is None else Decimal(expected)}


def test_a_charts_volumes_are_found_in_its_values() -> None:
    template = {"spec": {"resources": {"requests": {"storage": "50Gi"}}}}
    chart = declared("kubernetes:helm.sh/v3:Release", "chart", values={"a": {"b": [{"volumeClaimTemplate": template}]}})
    found = estimate([component("aws", "Storage", {}), chart], region="us-east-1")
    assert amounts(found) == {"volume 1": Decimal("4.00")}


@pytest.mark.parametrize(("kind", "lines"), [("ClusterIP", 0), ("LoadBalancer", 2)])
def test_a_service_costs_what_its_balancer_costs(kind: str, lines: int) -> None:
    service = declared("kubernetes:core/v1:Service", "service", spec={"type": kind})
    assert len(estimate([component("aws", "Storage", {}), service], region="us-east-1").lines) == lines


def test_a_model_server_takes_a_node_for_each_replica() -> None:
    spec = {"accelerator": {"kind": "T4", "count": 1}, "cpus": 2, "cpu_class": "general", "releases": {}}
    endpoint = component("aws", "ModelEndpoint", spec, "endpoint")
    service = declared(
        "kubernetes:serving.kserve.io/v1beta1:InferenceService", "v1", parent="endpoint",
        spec={"predictor": {"minReplicas": 2, "maxReplicas": 3}},
    )  # fmt: skip
    line = estimate([endpoint, service], region="us-east-1").lines[0]
    assert (line.monthly_usd, line.high_usd) == (Decimal("767.96"), Decimal("1151.94"))


def test_what_a_node_of_ones_own_cluster_costs_is_told_by_its_owner_alone() -> None:
    spec = {"pools": {"cpu": {"max_count": 2, "ranks": 4}, "gpu": {"max_count": 1, "ranks": 4}}}
    cluster = component("kubernetes", "TrainingCluster", spec, "training")
    silent = estimate([cluster], region=None)
    assert {line.monthly_usd for line in silent.lines} == {None}
    usage = Usage.from_dict({"training": {"usd_per_node_hour:cpu": 0.5, "training_hours": 200}})
    told = estimate([cluster], region=None, usage=usage)
    assert amounts(told) == {"pool cpu": Decimal("200.00"), "pool gpu": None}


def test_vertex_in_a_region_without_its_own_price_is_compute_engine_with_the_fee() -> None:
    spec = {"pools": {"gpu": {"max_count": 1, "ranks": 2, "accelerator": {"kind": "L4", "count": 1}}}}
    line = estimate([component("gcp", "TrainingCluster", spec)], region="europe-west1").lines[0]
    assert line.monthly_usd is not None and "fee of 15%" in line.note
    assert "services.csv:" in line.source and "gcp-gpu-machines-whole.csv:" in line.source


@pytest.mark.parametrize("value", [UNKNOWN, 17, "x", [], {}, None, True])
@pytest.mark.parametrize(
    ("type_token", "key"),
    [("aws:eks/nodeGroup:NodeGroup", "scalingConfig"), ("aws:ec2/instance:Instance", "instanceType"),
     ("gcp:container/nodePool:NodePool", "nodeConfig"), ("azure-native:compute:Disk", "sku"),
     ("azure-native:machinelearningservices:Compute", "properties"), ("gcp:storage/bucket:Bucket", "location"),
     ("kubernetes:karpenter.sh/v1:NodePool", "spec"), ("kubernetes:core/v1:PersistentVolumeClaim", "spec"),
     ("aws:cloudwatch/metricAlarm:MetricAlarm", "metricQueries"), ("skywright:aws:TrainingCluster", "spec"),
     ("pulumi-python:dynamic/gcp:VertexDeployments", "hardware"), ("kubernetes:helm.sh/v3:Release", "values"),
     ("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "productionVariants")],
)  # fmt: skip
def test_no_value_of_any_kind_ends_the_estimate(type_token: str, key: str, value: Any) -> None:
    for line in priced(type_token, **{key: value}).lines:
        assert line.monthly_usd is None or line.source
