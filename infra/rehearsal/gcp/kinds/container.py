"""GKE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.core.fit import Local
from infra.rehearsal.core.kinds import Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.compute import NETWORK, SUBNETWORK
from infra.rehearsal.gcp.kinds.kms import KEY
from infra.rehearsal.gcp.requests import named, operation

CLUSTER = "gcp:container/cluster:Cluster"
CLUSTERS = "https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters"
ACCOUNT = Ref("gcp:serviceaccount/account:Account", by=("email",), skips="default")


def _master(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    private = inputs.get("privateClusterConfig") or {}
    cidr = private.get("masterIpv4CidrBlock")
    if isinstance(cidr, str) and not cidr.endswith("/28"):
        yield "privateClusterConfig.masterIpv4CidrBlock", f"googleapi: Error 400: {cidr}: the block must be a /28"


def _sizes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    scaling = inputs.get("autoscaling") or {}
    if any("total" in key for key in scaling) and {"minNodeCount", "maxNodeCount"} & scaling.keys():
        yield "autoscaling", "googleapi: Error 400: total and per-zone limits can't be given together"


KINDS: tuple[Kind, ...] = (
    Kind(
        CLUSTER,
        judge=Calls(
            "discovery container.v1",
            operation(
                "container.v1",
                "projects.locations.clusters.create",
                {
                    "name": "cluster.name",
                    "location": Local("stands in the call's path"),
                    "nodeLocations": "cluster.locations",
                    "network": "cluster.network",
                    "subnetwork": "cluster.subnetwork",
                    "networkingMode": Local("VPC_NATIVE becomes ipAllocationPolicy.useIpAliases"),
                    "ipAllocationPolicy": "cluster.ipAllocationPolicy",
                    "ipAllocationPolicy.clusterSecondaryRangeName": "clusterSecondaryRangeName",
                    "ipAllocationPolicy.servicesSecondaryRangeName": "servicesSecondaryRangeName",
                    "privateClusterConfig": "cluster.privateClusterConfig",
                    "masterAuthorizedNetworksConfig": "cluster.masterAuthorizedNetworksConfig",
                    "masterAuth": "cluster.masterAuth",
                    "datapathProvider": "cluster.networkConfig.datapathProvider",
                    "enableShieldedNodes": "cluster.shieldedNodes.enabled",
                    "workloadIdentityConfig": "cluster.workloadIdentityConfig",
                    "databaseEncryption": "cluster.databaseEncryption",
                    "releaseChannel": "cluster.releaseChannel",
                    "loggingConfig": "cluster.loggingConfig",
                    "loggingConfig.enableComponents": "componentConfig.enableComponents",
                    "monitoringConfig": "cluster.monitoringConfig",
                    "monitoringConfig.enableComponents": "componentConfig.enableComponents",
                    "monitoringConfig.managedPrometheus": "managedPrometheusConfig",
                    "costManagementConfig": "cluster.costManagementConfig",
                    "securityPostureConfig": "cluster.securityPostureConfig",
                    "addonsConfig": "cluster.addonsConfig",
                    "addonsConfig.gcePersistentDiskCsiDriverConfig": "gcePersistentDiskCsiDriverConfig",
                    "addonsConfig.gcsFuseCsiDriverConfig": "gcsFuseCsiDriverConfig",
                    "removeDefaultNodePool": Local("the provider deletes it by a call of its own"),
                    "initialNodeCount": "cluster.initialNodeCount",
                    "deletionProtection": Local("the provider's own: whether it refuses to delete the cluster"),
                    "resourceLabels": "cluster.resourceLabels",
                },
                fixed={"parent": "projects/{project}/locations/{location}"},
            ),
        ),
        id="projects/{project}/locations/{location}/clusters/{name}",
        outputs={
            "endpoint": "172.16.255.242",
            "masterAuth": {"clusterCaCertificate": "Y2VydGlmaWNhdGU="},
            "masterVersion": "1.33.4-gke.1000000",
            "selfLink": "{id}",
        },
        references={
            "network": Ref(NETWORK, by=("selfLink", "name"), holds=True),
            "subnetwork": Ref(SUBNETWORK, by=("selfLink", "name"), holds=True),
            "databaseEncryption.keyName": Ref(KEY, by=("name",)),
        },
        unique=(Unique(("name",), "googleapi: Error 409: Already exists: {name}., alreadyExists"),),
        rules=(named("name", r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", CLUSTERS), Rule(CLUSTERS, _master)),
        immutable=frozenset(
            {
                "name", "location", "network", "subnetwork", "networkingMode", "ipAllocationPolicy", "datapathProvider",
                "privateClusterConfig.enablePrivateNodes", "privateClusterConfig.masterIpv4CidrBlock", "project",
            }
        ),
    ),
    Kind(
        "gcp:container/nodePool:NodePool",
        judge=Calls(
            "discovery container.v1",
            operation(
                "container.v1",
                "projects.locations.clusters.nodePools.create",
                {
                    "name": "nodePool.name",
                    "location": Local("stands in the call's path"),
                    "cluster": Local("stands in the call's path"),
                    "initialNodeCount": "nodePool.initialNodeCount",
                    "nodeLocations": "nodePool.locations",
                    "autoscaling": "nodePool.autoscaling",
                    "autoscaling.totalMinNodeCount": "totalMinNodeCount",
                    "autoscaling.totalMaxNodeCount": "totalMaxNodeCount",
                    "management": "nodePool.management",
                    "upgradeSettings": "nodePool.upgradeSettings",
                    "nodeConfig": "nodePool.config",
                    "nodeConfig.guestAccelerators": "accelerators",
                    "nodeConfig.guestAccelerators.count": "acceleratorCount",
                    "nodeConfig.guestAccelerators.type": "acceleratorType",
                },
                fixed={"parent": "projects/{project}/locations/{location}/clusters/{cluster}"},
            ),
        ),
        id="projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name}",
        references={
            "cluster": Ref(CLUSTER, by=("name",), holds=True),
            "nodeConfig.serviceAccount": ACCOUNT,
            "nodeConfig.bootDiskKmsKey": Ref(KEY, by=("name",)),
        },
        unique=(Unique(("cluster", "name"), "googleapi: Error 409: Already exists: {name}., alreadyExists"),),
        rules=(named("name", r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", CLUSTERS), Rule(CLUSTERS, _sizes)),
        immutable=frozenset({
            "name", "location", "cluster", "project", "nodeConfig.spot", "nodeConfig.guestAccelerators",
            "nodeConfig.serviceAccount", "nodeConfig.bootDiskKmsKey", "nodeConfig.shieldedInstanceConfig",
        }),
    ),
)  # fmt: skip
