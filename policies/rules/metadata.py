"""Who may ask an instance for the credentials of its role."""

from __future__ import annotations

from collections.abc import Iterator

from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping, number, text

MAX_HOPS = 1
"""One hop further is a pod on the node."""


@rule(
    "metadata-v2",
    Severity.HIGH,
    types=(
        "aws:ec2/instance:Instance",
        "aws:ec2/launchConfiguration:LaunchConfiguration",
        "aws:ec2/launchTemplate:LaunchTemplate",
        "aws:ec2/spotInstanceRequest:SpotInstanceRequest",
    ),
    title="An instance's credentials are given to sessions only",
    why="By the old way one forged request of a web page or a job is enough to carry off the credentials of the node.",
    remedy="Require session tokens: metadataOptions.httpTokens required; on GKE workloadMetadataConfig GKE_METADATA.",
)
def metadata_v2(template: Props) -> Iterator[Finding]:
    """What is absent is decided by the image and the account."""
    yield from _lax(mapping(template, "metadataOptions"))


def _lax(options: Props) -> Iterator[Finding]:
    if text(options, "httpEndpoint") == "disabled":
        return
    if (tokens := text(options, "httpTokens")) != "required":
        yield Finding(at=options.at("httpTokens"), found=tokens)
    if (hops := number(options, "httpPutResponseHopLimit")) is not None and hops > MAX_HOPS:
        yield Finding(at=options.at("httpPutResponseHopLimit"), found=hops)


metadata_v2.examples(
    good=[
        {"metadataOptions": {"httpTokens": "required"}},
        {"metadataOptions": {"httpEndpoint": "disabled"}},
    ],
    bad=[
        {},
        {"metadataOptions": {"httpEndpoint": "enabled"}},
        {"metadataOptions": {"httpTokens": "optional"}},
        {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2}},
    ],
    unknown=[{"metadataOptions": UNKNOWN}, {"metadataOptions": {"httpTokens": UNKNOWN}}],
)


@metadata_v2.also("aws:sagemaker/notebookInstance:NotebookInstance")
def _notebook(notebook: Props) -> Finding | None:
    options = mapping(notebook, "instanceMetadataServiceConfiguration")
    version = text(options, "minimumInstanceMetadataServiceVersion")
    return None if version == "2" else Finding(at=options.at("minimumInstanceMetadataServiceVersion"), found=version)


_notebook.examples(
    good=[{"instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "2"}}],
    bad=[{}, {"instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "1"}}],
    unknown=[{"instanceMetadataServiceConfiguration": UNKNOWN}],
)


@metadata_v2.also("kubernetes:karpenter.k8s.aws/*:EC2NodeClass")
def _node_class(node_class: Props) -> Iterator[Finding]:
    """Karpenter itself requires tokens, one hop away, where nothing is said.

    https://karpenter.sh/docs/concepts/nodeclasses/#specmetadataoptions
    """
    options = mapping(node_class, "spec", "metadataOptions")
    if any(options.get(key) is not None for key in ("httpTokens", "httpPutResponseHopLimit")):
        yield from _lax(options)


_node_class.examples(
    good=[{"spec": {}}, {"spec": {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1}}}],
    bad=[{"spec": {"metadataOptions": {"httpTokens": "optional"}}}],
    unknown=[{"spec": UNKNOWN}, {"spec": {"metadataOptions": {"httpTokens": UNKNOWN}}}],
)


@metadata_v2.also("gcp:container/nodePool:NodePool")
def _node_pool(pool: Props) -> Finding | None:
    return _hides_node(mapping(pool, "nodeConfig", "workloadMetadataConfig"))


def _hides_node(config: Props) -> Finding | None:
    """https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity"""
    mode = text(config, "mode")
    return None if mode == "GKE_METADATA" else Finding(at=config.at("mode"), found=mode)


_node_pool.examples(
    good=[{"nodeConfig": {"workloadMetadataConfig": {"mode": "GKE_METADATA"}}}],
    bad=[{}, {"nodeConfig": {"workloadMetadataConfig": {"mode": "GCE_METADATA"}}}],
    unknown=[{"nodeConfig": UNKNOWN}],
)


@metadata_v2.also("gcp:container/cluster:Cluster")
def _gke(cluster: Props) -> Finding | None:
    """The pool that a cluster is made with, unless it goes at once."""
    if flag(cluster, "enableAutopilot") or flag(cluster, "removeDefaultNodePool"):
        return None
    return _hides_node(mapping(cluster, "nodeConfig", "workloadMetadataConfig"))


_gke.examples(
    good=[
        {"enableAutopilot": True},
        {"removeDefaultNodePool": True},
        {"nodeConfig": {"workloadMetadataConfig": {"mode": "GKE_METADATA"}}},
    ],
    bad=[{}, {"nodeConfig": {}}],
    unknown=[{"removeDefaultNodePool": UNKNOWN}, {"nodeConfig": UNKNOWN}],
)
