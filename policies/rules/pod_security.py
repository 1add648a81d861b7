"""What a namespace asks of its pods, and what a pod must be to be let in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN
from policies.rule import Finding, Severity, rule
from policies.rules.namespaces import NAMESPACES, holds_a_chart
from policies.rules.optional import flag, mapping, text, texts
from policies.rules.pods import WORKLOADS, pods_of

ENFORCE = "pod-security.kubernetes.io/enforce"
STANDARDS = ("baseline", "restricted", "privileged")


@rule(
    "pod-security-restricted",
    Severity.HIGH,
    types=NAMESPACES,
    joins=True,
    title="Pods are held to the restricted standard",
    why="Without it whoever may start a pod may start one that takes over the node.",
    remedy=f"Label the namespace {ENFORCE}: restricted; let pods drop ALL capabilities and escalate no privilege.",
)
def pod_security_restricted(namespace: Node) -> Finding | None:
    """A namespace of somebody's chart must say which standard it keeps: drivers and node agents keep none."""
    labels = mapping(namespace, "metadata", "labels")
    level = text(labels, ENFORCE)
    if level == "restricted" or (level in STANDARDS and holds_a_chart(namespace)):
        return None
    return Finding(at=labels.at(ENFORCE), found=level)


_NAMESPACE, _CHART = "kubernetes:core/v1:Namespace", "kubernetes:helm.sh/v3:Release"


def _space(level: Any = None, name: Any = "team") -> Any:
    return declared(_NAMESPACE, "space", metadata={"name": name, "labels": {ENFORCE: level} if level else {}})


pod_security_restricted.examples(
    good=[
        [_space("restricted")],
        [_space("baseline"), declared(_CHART, "chart", namespace="team")],
        [_space("privileged", None), declared(_CHART, "chart", namespace=Ref("space"))],
    ],
    bad=[
        [_space()],
        [_space("baseline")],
        [_space(), declared(_CHART, "chart", namespace="team")],
        [_space("privileged"), declared(_CHART, "chart", namespace="other")],
    ],
    unknown=[
        [_space(UNKNOWN)],
        [declared(_NAMESPACE, "space", metadata=UNKNOWN)],
        [_space("baseline"), declared(_CHART, "chart", namespace=UNKNOWN)],
    ],
)


@pod_security_restricted.also(*WORKLOADS)
def _restricted(workload: Node) -> Iterator[Finding]:
    """What the restricted standard asks beyond what other rules do.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    for pod in pods_of(workload):
        for container in pod.containers:
            security = mapping(container, "securityContext")
            if (value := flag(security, "allowPrivilegeEscalation")) is not False:
                yield Finding(at=security.at("allowPrivilegeEscalation"), found=value)
            capabilities = mapping(security, "capabilities")
            if "ALL" not in texts(capabilities, "drop"):
                yield Finding(at=capabilities.at("drop"), found=texts(capabilities, "drop") or None)
            if set(texts(capabilities, "add")) - {"NET_BIND_SERVICE"}:
                yield Finding(at=capabilities.at("add"), found=texts(capabilities, "add"))
            profile = pod.security(container, "seccompProfile", "type")
            if profile not in ("RuntimeDefault", "Localhost"):
                yield Finding(at=security.at("seccompProfile.type"), found=profile)


_SAFE = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _pod(pod: Any = None, **security: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"securityContext": {**_SAFE, **security}}], "securityContext": pod}}


_restricted.examples(
    good=[
        _pod(),
        _pod({"seccompProfile": {"type": "Localhost"}}, seccompProfile=None),
        _pod(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
    ],
    bad=[
        {"spec": {"containers": [{"name": "a"}]}},
        _pod(allowPrivilegeEscalation=None),
        _pod(allowPrivilegeEscalation=True),
        _pod(capabilities={"drop": ["NET_RAW"]}),
        _pod(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}),
        _pod(seccompProfile={"type": "Unconfined"}),
    ],
    unknown=[{"spec": UNKNOWN}, _pod(allowPrivilegeEscalation=UNKNOWN), _pod(capabilities={"drop": UNKNOWN})],
)
