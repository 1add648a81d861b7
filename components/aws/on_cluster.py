"""Training and serving on EKS: the cluster is AWS's part, what runs on it is `components.kubernetes`."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws import names
from components.aws.cluster import POD_IDENTITY_AGENT, declare_cluster, kubeconfig_of
from components.aws.karpenter import declare_karpenter, declare_pools
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsRegistry, AwsStorage
from components.aws.pools import instances_of, pools_of
from components.aws.provider import aws_settings
from components.contract import Component, EndpointOutputs
from components.kubernetes import serving
from components.kubernetes.cluster import Cluster, ClusterTraining, WorkloadIdentity, provider_for
from components.kubernetes.flavors import GPU_TAINT, POOL_LABEL, Flavor
from components.kubernetes.names import SERVING_ACCOUNT, TRAINING_ACCOUNT, serving_namespace, team_namespace
from components.kubernetes.platform import declare_platform, teams_of
from components.specs import EndpointSpec, TrainingSpec

STORAGE_CLASS = "gp3"
RESERVED_CPUS, RESERVED_MEMORY_GIB = 1, 2
"""What kubelet, the system and daemons keep of a node."""
IDENTITY = WorkloadIdentity(egress=(POD_IDENTITY_AGENT,))


def declare_training(
    owner: Component[Any, Any],
    spec: TrainingSpec,
    *,
    network: AwsNetwork,
    identity: AwsIdentity,
    storage: AwsStorage,
) -> ClusterTraining:
    settings = aws_settings(owner.ctx)
    region = owner.ctx.region
    types = {name: instances_of(pool, region, "kubernetes") for name, pool in spec.pools.items()}
    flavors = flavors_of(spec, region)
    ready: tuple[pulumi.Resource, ...] = ()
    brought = settings.existing.cluster_name
    if brought:
        found = aws.eks.get_cluster_output(name=brought, opts=pulumi.InvokeOutputOptions(parent=owner))
        name, kubeconfig = found.name, kubeconfig_of(_Brought(found), str(region))
    else:
        made = declare_cluster(
            owner,
            is_public=owner.ctx.is_api_public,
            network=network,
            identity=identity,
            storage=storage,
        )
        name, kubeconfig, ready = made.name, made.kubeconfig, made.ready
    cluster = Cluster(
        name=brought or owner.ctx.name(names.CLUSTER),
        kubeconfig=kubeconfig,
        provider=provider_for(owner, kubeconfig=kubeconfig),
        storage_class=None if brought else STORAGE_CLASS,
        settings=settings.kubernetes.platform,
    )
    if not brought:
        karpenter = declare_karpenter(owner, made, cluster, network)
        declare_pools(owner, made, cluster, network, flavors, types, karpenter)
    platform = declare_platform(owner, cluster, spec, flavors=flavors, identity=IDENTITY, depends_on=ready)
    for team in teams_of(spec):
        namespace = team_namespace(cluster.settings.namespace, team)
        _become(owner, name, f"{team}-jobs", namespace, TRAINING_ACCOUNT, identity.role_arns["training"])
    zones = aws.get_availability_zones_output(state="available", opts=pulumi.InvokeOutputOptions(parent=owner))
    return ClusterTraining(
        cluster_ref=name,
        pools=zones.names.apply(lambda zones: pools_of(spec, region, "kubernetes", zones[:3])),
        queues=platform.queues,
        cluster=cluster,
        flavors=tuple(flavors),
    )


def declare_endpoint(
    owner: Component[Any, Any],
    spec: EndpointSpec,
    *,
    network: AwsNetwork,
    identity: AwsIdentity,
    storage: AwsStorage,
    registry: AwsRegistry,
    training: ClusterTraining,
) -> EndpointOutputs:
    cluster = training.cluster
    assert cluster is not None, "settings refuse an endpoint on a cluster that the stack doesn't have"
    namespace = serving_namespace(cluster.settings.namespace)
    _become(owner, training.cluster_ref, "servers", namespace, SERVING_ACCOUNT, identity.role_arns["serving"])
    return serving.declare_endpoint(
        owner,
        cluster,
        spec,
        storage=storage,
        registry=registry,
        approver_key_ref=identity.approver_key_ref,
        identity=IDENTITY,
    )


def flavors_of(spec: TrainingSpec, region: str | None) -> list[Flavor]:
    """The pools as Kueue sees them: what the smallest of a pool's types offers to pods."""
    flavors = []
    for name, pool in spec.pools.items():
        types = instances_of(pool, region, "kubernetes")
        flavors.append(
            Flavor(
                name=name,
                pool=name,
                node_labels={POOL_LABEL: name},
                tolerations=(GPU_TAINT,) if pool.accelerator else (),
                accelerator=pool.accelerator.kind if pool.accelerator else None,
                count=pool.accelerator.count if pool.accelerator else 0,
                max_count=pool.max_count,
                is_spot=pool.is_spot,
                cpus=max(1, min(item.vcpus for item in types) - RESERVED_CPUS),
                memory_gib=max(1, int(min(item.memory_gib for item in types)) - RESERVED_MEMORY_GIB),
                instance_type=types[0].name,
            )
        )
    return flavors


def _become(
    owner: Component[Any, Any],
    cluster_name: pulumi.Input[str],
    use: str,
    namespace: str,
    account: str,
    role_arn: pulumi.Input[str],
) -> None:
    """Pods of that service account get the role's credentials."""
    aws.eks.PodIdentityAssociation(
        owner.child_name(f"{use}-identity"),
        cluster_name=cluster_name,
        namespace=namespace,
        service_account=account,
        role_arn=role_arn,
        tags=owner.tags(),
        opts=owner.child(),
    )


class _Brought:
    """A cluster that was looked up, as one that was declared."""

    def __init__(self, found: Any) -> None:
        self.name, self.endpoint = found.name, found.endpoint
        self.certificate_authority = found.certificate_authorities.apply(lambda all_: {"data": all_[0].data})
