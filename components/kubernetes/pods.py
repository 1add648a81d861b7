"""Pods that the restricted standard admits, and nothing beyond it."""

from __future__ import annotations

from typing import Any

import pulumi_kubernetes as k8s

USER = 10_001


def pod_security() -> k8s.core.v1.PodSecurityContextArgs:
    return k8s.core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security() -> k8s.core.v1.SecurityContextArgs:
    return k8s.core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        privileged=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def plain_pod_security() -> dict[str, Any]:
    """The same as it stands in a custom resource."""
    return {
        "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip


def plain_container_security() -> dict[str, Any]:
    """The same as it stands in a custom resource."""
    return {
        "allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip


def resources(cpu: str, memory: str) -> k8s.core.v1.ResourceRequirementsArgs:
    """Requests that are limits too, but for the CPU, which may take what is idle."""
    return k8s.core.v1.ResourceRequirementsArgs(
        requests={"cpu": cpu, "memory": memory, "ephemeral-storage": "256Mi"},
        limits={"cpu": "2", "memory": memory, "ephemeral-storage": "2Gi"},
    )
