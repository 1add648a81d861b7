"""GPU capacity by Karpenter: nodes come with the jobs that ask for them and go when these end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s

from catalog.instances import Instance
from components.aws import names
from components.aws.cluster import IMDS_HOPS, NODE_DISK_GIB, Made
from components.aws.iam import trusts_pods
from components.aws.karpenter_policies import EVENTS, controller, queue
from components.aws.outputs import AwsNetwork
from components.aws.roles import declare_role, grant, rendered
from components.contract import Component
from components.kubernetes.cluster import WINS, Cluster
from components.kubernetes.flavors import ACCELERATOR_LABEL, CAPACITY_LABEL, GPU, POOL_LABEL, Flavor

CHART, VERSION = "oci://public.ecr.aws/karpenter/karpenter", "1.15.0"
NAMESPACE, ACCOUNT = "kube-system", "karpenter"
NODE_CLASS = "default"
MESSAGES_S = 300
"""Interruptions are of no use later."""
EMPTY_FOR = "5m"
EXPIRE_AFTER = "336h"
"""Nodes are renewed every two weeks at the latest, after their job."""
WEIGHTS = {True: 100, False: 10}
"""Spot first: where a job may take either, Karpenter tries the heavier pool before the lighter one."""


def declare_karpenter(
    owner: Component[Any, Any], made: Made, cluster: Cluster, network: AwsNetwork
) -> k8s.helm.v3.Release:
    """The controller, its role, and the queue that tells it of interruptions.

    Its nodes bear the system nodes' role: EKS lets that role in when it makes the managed group.
    """
    region = str(owner.ctx.region)
    messages = _queue(owner)
    role = declare_role(
        owner,
        "karpenter",
        trust=lambda account: [
            trusts_pods(account, f"arn:aws:eks:{region}:{account}:cluster/{owner.ctx.name(names.CLUSTER)}")
        ],
        account_id=network.account_id,
        description="Karpenter: makes and ends nodes of the cluster",
    )
    granted = grant(
        owner, "karpenter", "nodes", role.name,
        lambda account, name, node_role, arn: controller(account, region, name, node_role, arn),
        network.account_id, made.name, made.node_role_arn, messages.arn,
    )  # fmt: skip
    identity = aws.eks.PodIdentityAssociation(
        owner.child_name("karpenter-identity"),
        cluster_name=made.name,
        namespace=NAMESPACE,
        service_account=ACCOUNT,
        role_arn=role.arn,
        tags=owner.tags(),
        opts=owner.child(),
    )
    return k8s.helm.v3.Release(
        owner.child_name("karpenter"),
        name="karpenter",
        chart=CHART,
        version=VERSION,
        namespace=NAMESPACE,
        values={
            "settings": {"clusterName": made.name, "interruptionQueue": messages.name},
            "serviceAccount": {"name": ACCOUNT},
            "replicas": 2,
        },
        atomic=True,
        timeout=600,
        opts=cluster.child(owner, depends_on=[*made.ready, identity, granted]),
    )


def declare_pools(
    owner: Component[Any, Any],
    made: Made,
    cluster: Cluster,
    network: AwsNetwork,
    flavors: Sequence[Flavor],
    types: Mapping[str, Sequence[Instance]],
    karpenter: pulumi.Resource,
) -> None:
    """A NodePool for each pool of the stack; all share one class of nodes."""
    tags = owner.tags() | {"Name": owner.ctx.name(names.NAME_TAG, "node")}
    _custom(
        owner,
        cluster,
        "karpenter.k8s.aws/v1",
        "EC2NodeClass",
        NODE_CLASS,
        pulumi.Output.all(made.node_role_name, network.private_subnet_ids, made.node_group_id).apply(
            lambda found: node_class(role=found[0], subnets=found[1], group=found[2], tags=tags)
        ),
        karpenter,
    )
    for flavor in flavors:
        _custom(
            owner, cluster, "karpenter.sh/v1", "NodePool", flavor.pool, node_pool(flavor, types[flavor.pool]), karpenter
        )


def node_class(*, role: str, subnets: Sequence[str], group: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """What every node is: AL2023, IMDSv2 alone, an encrypted gp3 disk, the private subnets."""
    return {
        "role": role,
        "amiFamily": "AL2023",
        "amiSelectorTerms": [{"alias": "al2023@latest"}],
        "subnetSelectorTerms": [{"id": subnet} for subnet in subnets],
        "securityGroupSelectorTerms": [{"id": group}],
        "associatePublicIPAddress": False,
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": IMDS_HOPS,
            "httpProtocolIPv6": "disabled",
        },
        "blockDeviceMappings": [
            {
                "deviceName": "/dev/xvda",
                "ebs": {
                    "volumeSize": f"{NODE_DISK_GIB}Gi",
                    "volumeType": "gp3",
                    "encrypted": True,
                    "deleteOnTermination": True,
                },
            }
        ],
        "tags": dict(tags),
    }


def node_pool(flavor: Flavor, types: Sequence[Instance]) -> dict[str, Any]:
    """Nodes of one pool: any of its instance types in any zone, from none to the most that the stack allows."""
    limits = {name: str(value) for name, value in flavor.total.items() if value and name in ("cpu", GPU)}
    largest = max((item.vcpus for item in types), default=flavor.cpus)
    limits["cpu"] = str(largest * flavor.max_count)
    return {
        "weight": WEIGHTS[flavor.is_spot],
        "limits": limits,
        "disruption": {
            "consolidationPolicy": "WhenEmpty",  # a job's node is never taken from it to save money
            "consolidateAfter": EMPTY_FOR,
            "budgets": [{"nodes": "100%"}],
        },
        "template": {
            "metadata": {
                "labels": {
                    POOL_LABEL: flavor.pool,
                    CAPACITY_LABEL: flavor.capacity,
                    **({ACCELERATOR_LABEL: flavor.accelerator} if flavor.accelerator else {}),
                }
            },
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": NODE_CLASS},
                "expireAfter": EXPIRE_AFTER,
                "requirements": [
                    {
                        "key": "node.kubernetes.io/instance-type",
                        "operator": "In",
                        "values": sorted({item.name for item in types}),
                    },
                    {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [flavor.capacity]},
                    {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                ],
                **({"taints": [{"key": GPU, "effect": "NoSchedule", "value": "true"}]} if flavor.count else {}),
            },
        },
    }


def _custom(
    owner: Component[Any, Any],
    cluster: Cluster,
    version: str,
    kind: str,
    name: str,
    spec: pulumi.Input[dict[str, Any]],
    karpenter: pulumi.Resource,
) -> None:
    role = "node-class" if kind == "EC2NodeClass" else f"node-pool-{name}"
    k8s.apiextensions.CustomResource(
        owner.child_name(role),
        api_version=version,
        kind=kind,
        metadata=k8s.meta.v1.ObjectMetaArgs(name=name, annotations=dict(WINS)),
        spec=spec,
        opts=cluster.child(owner, depends_on=[karpenter]),
    )


def _queue(owner: Component[Any, Any]) -> aws.sqs.Queue:
    messages = aws.sqs.Queue(
        owner.child_name("interruptions"),
        name=owner.ctx.name(names.QUEUE, "interruptions"),
        message_retention_seconds=MESSAGES_S,
        sqs_managed_sse_enabled=True,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
    rules = {
        use: aws.cloudwatch.EventRule(
            owner.child_name(f"{use}-rule"),
            name=owner.ctx.name(names.EVENT_RULE, use),
            description=f"Tells Karpenter: {use.replace('-', ' ')}",
            event_pattern=json.dumps(pattern),
            state="ENABLED",
            tags=owner.tags(),
            opts=owner.child(delete_before_replace=True),
        )
        for use, pattern in EVENTS.items()
    }
    heard = aws.sqs.QueuePolicy(
        owner.child_name("interruptions-policy"),
        queue_url=messages.url,
        policy=rendered(lambda arn, *rules: queue(arn, list(rules)), messages.arn, *(r.arn for r in rules.values())),
        opts=owner.child(),
    )
    for use, rule in rules.items():
        aws.cloudwatch.EventTarget(
            owner.child_name(f"{use}-target"),
            rule=rule.name,
            target_id="karpenter",
            arn=messages.arn,
            opts=owner.child(depends_on=[heard]),
        )
    return messages
