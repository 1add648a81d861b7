"""What a container may do to the node it runs on, and as whom it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, is_given, mapping, number, records, text, texts
from policies.rules.pods import WORKLOADS, pods_of

BASELINE = frozenset({
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
})  # fmt: skip
"""Capabilities that the baseline standard lets add.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
"""


@rule(
    "containers-unprivileged",
    Severity.CRITICAL,
    types=WORKLOADS,
    title="A container has no power over its node",
    why="A privileged container, or one in the node's own namespaces or files, owns the node and all pods on it.",
    remedy="Drop privileged, host namespaces, host ports, hostPath volumes and added capabilities.",
)
def containers_unprivileged(workload: Node) -> Iterator[Finding]:
    for pod in pods_of(workload):
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if flag(pod.spec, key):
                yield Finding(at=pod.spec.at(key), found=True)
        for volume in records(pod.spec, "volumes"):
            if is_given(volume, "hostPath"):
                yield Finding(at=volume.at("hostPath"), found="a path of the node")
        for container in pod.containers:
            yield from _powers(container)


def _powers(container: Props) -> Iterator[Finding]:
    security = mapping(container, "securityContext")
    if flag(security, "privileged"):
        yield Finding(at=security.at("privileged"), found=True)
    if (mount := text(security, "procMount")) not in (None, "Default"):
        yield Finding(at=security.at("procMount"), found=mount)
    capabilities = mapping(security, "capabilities")
    if added := sorted(set(texts(capabilities, "add")) - BASELINE):
        yield Finding(at=capabilities.at("add"), found=added)
    for port in records(container, "ports"):
        if number(port, "hostPort"):
            yield Finding(at=port.at("hostPort"), found=number(port, "hostPort"))


def _pod(container: Any = None, **more: Any) -> dict[str, Any]:
    return {"spec": {"containers": [container or {"name": "a"}], **more}}


containers_unprivileged.examples(
    good=[_pod(), _pod({"securityContext": {"privileged": False, "capabilities": {"add": ["CHOWN"]}}}, volumes=[])],
    bad=[
        _pod({"securityContext": {"privileged": True}}),
        _pod({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
        _pod({"securityContext": {"procMount": "Unmasked"}}),
        _pod({"ports": [{"containerPort": 80, "hostPort": 80}]}),
        _pod(hostNetwork=True),
        _pod(hostPID=True),
        _pod(hostIPC=True),
        _pod(volumes=[{"name": "a", "hostPath": {"path": "/"}}]),
        _pod(initContainers=[{"securityContext": {"privileged": True}}]),
    ],
    unknown=[
        {"spec": UNKNOWN},
        _pod(hostNetwork=UNKNOWN),
        _pod({"securityContext": {"privileged": UNKNOWN}}),
        _pod(volumes=UNKNOWN),
    ],
)


@rule(
    "containers-not-root",
    Severity.HIGH,
    types=WORKLOADS,
    title="Nothing runs as root",
    why="Who breaks out of a process that is root is root on the node.",
    remedy="Set securityContext.runAsNonRoot to true, or runAsUser above 0; on a notebook rootAccess to Disabled.",
)
def containers_not_root(workload: Node) -> Iterator[Finding]:
    """With neither set the image decides, and most images are root."""
    for pod in pods_of(workload):
        for container in pod.containers:
            user, is_refused = pod.security(container, "runAsUser"), pod.security(container, "runAsNonRoot")
            at = container.at("securityContext")
            if user is not None and (isinstance(user, bool) or not isinstance(user, int | float)):
                raise Malformed(f"{at}.runAsUser", user, "a number")
            if user == 0:
                yield Finding(at=f"{at}.runAsUser", found=0)
            elif user is None and is_refused is not True:
                yield Finding(at=f"{at}.runAsNonRoot", found=is_refused)


_NOT_ROOT = {"securityContext": {"runAsNonRoot": True}}

containers_not_root.examples(
    good=[
        _pod(_NOT_ROOT),
        _pod(**_NOT_ROOT),
        _pod(securityContext={"runAsUser": 1000}),
        _pod({"securityContext": {"runAsUser": 1000}}, securityContext={"runAsUser": 0}),
    ],
    bad=[
        _pod(),
        _pod({"securityContext": {"runAsNonRoot": False}}, **_NOT_ROOT),
        _pod({"securityContext": {"runAsUser": 0}}, **_NOT_ROOT),
        _pod(_NOT_ROOT, initContainers=[{"name": "b"}]),
    ],
    unknown=[_pod(securityContext={"runAsUser": UNKNOWN}), _pod(securityContext=UNKNOWN), {"spec": UNKNOWN}],
)


@containers_not_root.also("aws:sagemaker/notebookInstance:NotebookInstance")
def _notebook(notebook: Props) -> Finding | None:
    access = text(notebook, "rootAccess")
    return None if access == "Disabled" else Finding(at="rootAccess", found=access)


_notebook.examples(
    good=[{"rootAccess": "Disabled"}], bad=[{}, {"rootAccess": "Enabled"}], unknown=[{"rootAccess": UNKNOWN}]
)


@rule(
    "containers-read-only",
    Severity.LOW,
    types=WORKLOADS,
    title="A container can't write to its own image",
    why="Whoever breaks in writes tools beside the code, and code over it; both are gone only with the pod.",
    remedy="Set securityContext.readOnlyRootFilesystem to true; mount a volume where it must write.",
)
def containers_read_only(workload: Node) -> Iterator[Finding]:
    for pod in pods_of(workload):
        for container in pod.containers:
            security = mapping(container, "securityContext")
            if (value := flag(security, "readOnlyRootFilesystem")) is not True:
                yield Finding(at=security.at("readOnlyRootFilesystem"), found=value)


containers_read_only.examples(
    good=[_pod({"securityContext": {"readOnlyRootFilesystem": True}})],
    bad=[_pod(), _pod({"securityContext": {"readOnlyRootFilesystem": False}})],
    unknown=[_pod({"securityContext": {"readOnlyRootFilesystem": UNKNOWN}}), {"spec": UNKNOWN}],
)
