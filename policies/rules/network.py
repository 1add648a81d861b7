"""What a network writes down, and what it refuses between pods."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Graph, Node
from policies.resources import UNKNOWN, Malformed, Props, Resource, UnknownValue
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, is_given, mapping, records, text, texts

VPC, SUBNET, FLOW_LOG = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/flowLog:FlowLog"


@rule(
    "network-flow-logs",
    Severity.MEDIUM,
    types=(VPC,),
    title="A network writes down who spoke to whom",
    why="After a breach nothing else tells how far it went.",
    remedy="Declare a flow log of the whole network, for accepted and refused traffic.",
    joins=True,
)
def network_flow_logs(vpc: Node) -> Finding | None:
    kinds = [text(log, "trafficType") or "ALL" for log in vpc.referrers(FLOW_LOG, by="vpcId")]
    if {"ACCEPT", "REJECT"} <= set(kinds) or "ALL" in kinds:
        return None
    return Finding(at="flowLog", found=kinds or None)


def _vpc(*kinds: object) -> list[Resource]:
    logs = [declared(FLOW_LOG, f"log-{at}", vpcId=Ref("vpc"), trafficType=kind) for at, kind in enumerate(kinds)]
    return [declared(VPC, "vpc"), *logs]


network_flow_logs.examples(
    good=[_vpc("ALL"), _vpc("ACCEPT", "REJECT")],
    bad=[_vpc(), _vpc("ACCEPT"), [declared(VPC, "other"), *_vpc("ALL")]],
    unknown=[_vpc(UNKNOWN)],
)
NO_LOGS = frozenset(
    {"REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "INTERNAL_HTTPS_LOAD_BALANCER", "PRIVATE_SERVICE_CONNECT"}
)
"""Purposes of subnetworks that hold no machines: Google Cloud writes no flow logs for proxies' own.

https://cloud.google.com/vpc/docs/flow-logs
"""


@network_flow_logs.also("gcp:compute/subnetwork:Subnetwork")
def subnetworks_log(subnetwork: Props) -> Finding | None:
    has_logs = is_given(subnetwork, "logConfig") or text(subnetwork, "purpose") in NO_LOGS
    return None if has_logs else Finding(at="logConfig")


subnetworks_log.examples(
    good=[{"logConfig": {"flowSampling": 0.5}}, {"purpose": "REGIONAL_MANAGED_PROXY"}],
    bad=[{}, {"purpose": "PRIVATE"}],
    unknown=[{"purpose": UNKNOWN}],
)
VNET, AZURE_LOG = "azure-native:network:VirtualNetwork", "azure-native:network:FlowLog"


@network_flow_logs.also(VNET, joins=True)
def virtual_networks_log(vnet: Node) -> Finding | None:
    logs = vnet.referrers(AZURE_LOG, by="targetResourceId")
    switches = [flag(log, "enabled") for log in logs]
    if any(switches):
        return None
    return Finding(at="flowLog", found=False if logs else None)


def _vnet(*switches: object) -> list[Resource]:
    logs = [
        declared(AZURE_LOG, f"log-{at}", targetResourceId=Ref("vnet"), enabled=switch)
        for at, switch in enumerate(switches)
    ]
    return [declared(VNET, "vnet"), *logs]


virtual_networks_log.examples(good=[_vnet(True)], bad=[_vnet(), _vnet(False), _vnet(None)], unknown=[_vnet(UNKNOWN)])

NAMESPACE, POLICY = "kubernetes:core/v1:Namespace", "kubernetes:networking.k8s.io/v1:NetworkPolicy"
CHARTS = ("kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart")
WAYS = ("Ingress", "Egress")


@rule(
    "network-default-deny",
    Severity.HIGH,
    types=(NAMESPACE,),
    title="Pods reach and are reached only as a policy says",
    why="Without a policy every pod of the cluster speaks to every other, and to the Internet.",
    remedy="Give the namespace a NetworkPolicy for all pods without rules, and the cluster something that enforces it.",
    joins=True,
)
def network_default_deny(namespace: Node) -> Iterator[Finding]:
    denied: set[str] = set()
    for policy in namespace.referrers(POLICY, by="metadata"):
        denied |= _denies(policy)
    if denied >= set(WAYS):
        return
    name = text(mapping(namespace, "metadata"), "name")
    if name in _of_charts(namespace.graph):
        return  # a chart's own namespace: what its pods need is known to the chart, not to us
    for policy in _policies(namespace.graph).get(name, ()):
        denied |= _denies(policy)
    for way in WAYS:
        if way not in denied:
            yield Finding(at="networkPolicy", found=f"no default deny of {way.lower()}")


@functools.lru_cache(maxsize=4)
def _policies(graph: Graph) -> dict[str | None, list[Node]]:
    """By the name of their namespace, as far as it is known."""
    found: dict[str | None, list[Node]] = {}
    for policy in graph.of(POLICY):
        try:
            found.setdefault(text(mapping(policy, "metadata"), "namespace"), []).append(policy)
        except (UnknownValue, Malformed):
            continue  # then it is joined by its dependencies, or it is no namespace's
    return found


@functools.lru_cache(maxsize=4)
def _of_charts(graph: Graph) -> frozenset[str]:
    names = (release.resource.props.get("namespace") for release in graph.of(*CHARTS))
    return frozenset(name for name in names if isinstance(name, str))


def _denies(policy: Node) -> set[str]:
    """The ways that it closes for every pod of its namespace. Other policies may open what they name."""
    spec = policy.mapping("spec")
    selector = mapping(spec, "podSelector")
    if selector.get("matchLabels") is not None or records(selector, "matchExpressions"):
        return set()
    return {way for way in texts(spec, "policyTypes") if not records(spec, way.lower())}


def _namespace(*policies: Resource, name: object = "team") -> list[Resource]:
    return [declared(NAMESPACE, "namespace", metadata={"name": name}), *policies]


def _policy(namespace: object = "team", **spec: Any) -> Resource:
    given = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], **spec}
    return declared(POLICY, f"policy-{len(spec)}", metadata={"namespace": namespace}, spec=given)


network_default_deny.examples(
    good=[
        _namespace(_policy()),
        _namespace(_policy(Ref("namespace")), name=UNKNOWN),
        _namespace(_policy(policyTypes=["Ingress"]), _policy(policyTypes=["Egress"], egress=[])),
        _namespace(declared(CHARTS[0], "keda", chart="keda", namespace="team")),
    ],
    bad=[
        _namespace(),
        _namespace(_policy("other")),
        _namespace(_policy(policyTypes=["Ingress"])),
        _namespace(_policy(egress=[{"to": [{"podSelector": {}}]}])),
        _namespace(_policy(podSelector={"matchLabels": {"role": "server"}})),
    ],
    unknown=[_namespace(_policy(policyTypes=UNKNOWN)), _namespace(_policy(), name=UNKNOWN)],
)

EKS, ADDON = "aws:eks/cluster:Cluster", "aws:eks/addon:Addon"


@network_default_deny.also(EKS, joins=True)
def eks_enforces(cluster: Node) -> Finding | None:
    """The VPC CNI enforces network policies once it is told to."""
    for addon in cluster.referrers(ADDON, by="clusterName"):
        if text(addon, "addonName") == "vpc-cni":
            told = _json(addon, "configurationValues").get("enableNetworkPolicy")
            return None if str(told).casefold() == "true" else Finding(at="addon.configurationValues", found=told)
    if cluster.referrers(*CHARTS):
        return None  # a chart may bring another network; what is in it can't be told from here
    return Finding(at="addon", found="no network that enforces policies")


def _json(holder: Props, key: str) -> dict[str, Any]:
    value = text(holder, key)
    try:
        found = json.loads(value or "{}")
    except ValueError:
        raise Malformed(holder.at(key), value, "JSON") from None
    if not isinstance(found, dict):
        raise Malformed(holder.at(key), value, "a JSON object")
    return found


def _eks(configuration: object = None, name: object = "vpc-cni") -> list[Resource]:
    addon = declared(ADDON, "addon", clusterName=Ref("eks"), addonName=name, configurationValues=configuration)
    return [declared(EKS, "eks"), addon]


eks_enforces.examples(
    good=[_eks('{"enableNetworkPolicy": "true"}'), _eks('{"enableNetworkPolicy": true}')],
    bad=[_eks(), _eks('{"enableNetworkPolicy": "false"}'), _eks(name="coredns"), [declared(EKS, "eks")]],
    unknown=[_eks(UNKNOWN), _eks(name=UNKNOWN)],
)


@network_default_deny.also("gcp:container/cluster:Cluster")
def gke_enforces(cluster: Props) -> Finding | None:
    has_dataplane = text(cluster, "datapathProvider") == "ADVANCED_DATAPATH" or flag(cluster, "enableAutopilot")
    if has_dataplane or flag(mapping(cluster, "networkPolicy"), "enabled"):
        return None
    return Finding(at="datapathProvider", found=cluster.get("datapathProvider"))


gke_enforces.examples(
    good=[{"datapathProvider": "ADVANCED_DATAPATH"}, {"networkPolicy": {"enabled": True}}, {"enableAutopilot": True}],
    bad=[{}, {"datapathProvider": "LEGACY_DATAPATH"}, {"networkPolicy": {"enabled": False}}],
    unknown=[{"datapathProvider": UNKNOWN}],
)


@network_default_deny.also("azure-native:containerservice:ManagedCluster")
def aks_enforces(cluster: Props) -> Finding | None:
    profile = mapping(cluster, "networkProfile")
    policy = text(profile, "networkPolicy")
    return None if policy not in (None, "none") else Finding(at=profile.at("networkPolicy"), found=policy)


aks_enforces.examples(
    good=[{"networkProfile": {"networkPolicy": "cilium"}}, {"networkProfile": {"networkPolicy": "azure"}}],
    bad=[{}, {"networkProfile": {"networkPolicy": "none"}}],
    unknown=[{"networkProfile": UNKNOWN}, {"networkProfile": {"networkPolicy": UNKNOWN}}],
)
