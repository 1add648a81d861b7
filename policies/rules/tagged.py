"""Whose a resource is, in the cloud's own list and on its bill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import declared
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.optional import mapping

WANTED = ("owner", "cost_center", "stack")

TAGGED = (
    "aws:ec2/vpc:Vpc", "aws:ecr/repository:Repository", "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup",
    "aws:iam/role:Role", "aws:kms/key:Key", "aws:lambda/function:Function", "aws:s3/bucket:Bucket",
    "aws:sagemaker/endpoint:Endpoint", "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
    "aws:sagemaker/model:Model", "aws:sagemaker/modelPackageGroup:ModelPackageGroup", "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue", "aws:cloudwatch/logGroup:LogGroup",
    "azure-native:containerregistry:Registry", "azure-native:containerservice:AgentPool",
    "azure-native:containerservice:ManagedCluster", "azure-native:keyvault:Vault",
    "azure-native:machinelearningservices:Compute", "azure-native:machinelearningservices:OnlineDeployment",
    "azure-native:machinelearningservices:OnlineEndpoint", "azure-native:machinelearningservices:Workspace",
    "azure-native:resources:ResourceGroup", "azure-native:storage:StorageAccount",
)  # fmt: skip
LABELLED = (
    "gcp:artifactregistry/repository:Repository", "gcp:bigquery/dataset:Dataset",
    "gcp:cloudfunctionsv2/function:Function", "gcp:kms/cryptoKey:CryptoKey", "gcp:pubsub/topic:Topic",
    "gcp:storage/bucket:Bucket", "gcp:vertex/aiEndpoint:AiEndpoint",
)  # fmt: skip
CLUSTERS = ("gcp:container/cluster:Cluster",)


@rule(
    "resources-tagged",
    Severity.LOW,
    types=TAGGED,
    joins=True,
    title="A resource that costs money or holds data says whose it is",
    why="The bill and the list of resources know tags only: without them nobody can be asked.",
    remedy="Give it the tags owner, cost_center and stack; components do so with what the stack's file says.",
)
def resources_tagged(resource: Node) -> Iterator[Finding]:
    yield from _untagged(resource, mapping(resource, "tags"))


def _untagged(resource: Node, tags: Props, prefix: str = "") -> Iterator[Finding]:
    """What the component above it doesn't know itself, components-owned tells of, once."""
    for key in _wanted(resource):
        name = f"{prefix}{key.replace('_', '-')}" if prefix else key
        value = tags.get(name)
        if value is not None and not isinstance(value, str):
            raise Malformed(tags.at(name), value, "a text")
        if not value or not value.strip():
            yield Finding(at=tags.at(name), found=value)


def _wanted(resource: Node) -> tuple[str, ...]:
    if (component := resource.component) is None:
        return WANTED
    known = mapping(component, "tags")
    return tuple(key for key in WANTED if known.get(key))


_TAGS = {"owner": "ml", "cost_center": "42", "stack": "s"}


def _examples(key: str) -> dict[str, list[Any]]:
    """The same table for each name of the property; the checks' first types stand for the rest."""
    kind = {"tags": TAGGED[0], "labels": LABELLED[0], "resourceLabels": CLUSTERS[0]}[key]
    parent = declared("skywright:aws:Network", "above", tags={"stack": "s"})

    def one(tags: Any, *above: Resource) -> list[Resource]:
        return [*above, declared(kind, "it", parent="above" if above else None, **{key: tags})]

    return {
        "good": [one(_TAGS), one({"stack": "s"}, parent)],
        "bad": [one({}), one({**_TAGS, "owner": " "}), one({"owner": "ml"}, parent)],
        "unknown": [one(UNKNOWN), one({**_TAGS, "stack": UNKNOWN})],
    }


resources_tagged.examples(**_examples("tags"))


@resources_tagged.also(*LABELLED, joins=True)
def resources_labelled(resource: Node) -> Iterator[Finding]:
    yield from _untagged(resource, mapping(resource, "labels"))


resources_labelled.examples(**_examples("labels"))


@resources_tagged.also(*CLUSTERS, joins=True)
def clusters_labelled(resource: Node) -> Iterator[Finding]:
    yield from _untagged(resource, mapping(resource, "resourceLabels"))


clusters_labelled.examples(**_examples("resourceLabels"))


@resources_tagged.also(
    "kubernetes:apps/*:*", "kubernetes:batch/*:*", "kubernetes:serving.kserve.io/*:InferenceService", joins=True
)
def workloads_labelled(workload: Node) -> Iterator[Finding]:
    yield from _untagged(workload, mapping(workload, "metadata", "labels"), "skywright.dev/")


def _workload(labels: object) -> list[Resource]:
    return [declared("kubernetes:apps/v1:Deployment", "d", metadata={"labels": labels})]


_LABELS = {"skywright.dev/owner": "ml", "skywright.dev/cost-center": "42", "skywright.dev/stack": "s"}
workloads_labelled.examples(
    good=[_workload(_LABELS)],
    bad=[_workload({}), _workload({**_LABELS, "skywright.dev/owner": ""}), _workload(None)],
    unknown=[_workload(UNKNOWN), _workload({**_LABELS, "skywright.dev/stack": UNKNOWN})],
)
