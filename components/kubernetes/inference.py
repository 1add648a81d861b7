"""A release as KServe takes it. Pure, but for the inputs that are only known later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.kubernetes.cluster import WorkloadIdentity
from components.kubernetes.flavors import GPU, Flavor
from components.kubernetes.names import SERVING_ACCOUNT
from components.kubernetes.pods import plain_container_security, plain_pod_security
from components.kubernetes.traffic import ROLE_LABEL
from components.specs import EndpointSpec
from ml_jobs.contract import Release

PORT = 8080
PORT_NAME = "http1"
"""KServe takes the protocol from it."""
RELEASE_LABEL = "skywright.dev/release"
ENDPOINT_LABEL = "skywright.dev/endpoint"
RECORD = "skywright.dev/record"
ROLE = "server"
DRAIN_S = 60

# "RawDeployment" is what KServe calls Standard since 0.16, and the only word for it that 0.15 takes.
MODE = {
    "serving.kserve.io/deploymentMode": "RawDeployment",
    "serving.kserve.io/autoscalerClass": "external",
}

_GIB_PER_CPU = {"general": 4, "compute": 2, "memory": 8}
_PER_DEVICE = {"cpu": 4, "memory": 16}


@dataclass(frozen=True)
class Server:
    """What all releases of an endpoint have in common."""

    spec: EndpointSpec
    env: Mapping[str, pulumi.Input[str]]
    flavors: Sequence[Flavor]
    identity: WorkloadIdentity
    priority_class: str | None
    capture_url: str | None


def weightless(release: Release) -> dict[str, Any]:
    """The record without its share of requests: a change of weights must not restart a server."""
    record = release.model_dump(mode="json")
    return {key: value for key, value in record.items() if key not in ("weight_percent", "shadow_percent")}


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def predictor(name: str, release: Release, image: pulumi.Input[str], server: Server) -> dict[str, Any]:
    """The `predictor` of the InferenceService of release `name`."""
    spec = server.spec
    labels = {ROLE_LABEL: ROLE, RELEASE_LABEL: name, ENDPOINT_LABEL: spec.name, **server.identity.pod_labels}
    logged = {"logger": {"mode": "all", "url": server.capture_url}} if server.capture_url else {}
    return {
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        "labels": labels,
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "serviceAccountName": SERVING_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": plain_pod_security(),
        "terminationGracePeriodSeconds": DRAIN_S,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {RELEASE_LABEL: name, ENDPOINT_LABEL: spec.name}},
            }
        ],
        **({"priorityClassName": server.priority_class} if server.priority_class else {}),
        **placement(server.flavors),
        **logged,
        "containers": [_container(name, release, image, server)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "8Gi"}}],
    }


def placement(flavors: Sequence[Flavor]) -> dict[str, Any]:
    """Onto the nodes of any of these flavors; anywhere if there are none."""
    if not flavors:
        return {}
    terms = [
        {
            "matchExpressions": [
                {"key": key, "operator": "In", "values": [value]} for key, value in sorted(flavor.node_labels.items())
            ]
        }
        for flavor in flavors
    ]
    tolerations = {
        (item.key, item.value, item.effect): {
            "key": item.key,
            "operator": "Exists" if item.value is None else "Equal",
            **({} if item.value is None else {"value": item.value}),
            "effect": item.effect,
        }
        for flavor in flavors
        for item in flavor.tolerations
    }
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}},
        **({"tolerations": list(tolerations.values())} if tolerations else {}),
    }


def needs(spec: EndpointSpec) -> dict[str, str]:
    """What a replica asks for, and is held to."""
    if spec.accelerator:
        count = spec.accelerator.count
        return {"cpu": str(_PER_DEVICE["cpu"] * count), "memory": f"{_PER_DEVICE['memory'] * count}Gi", GPU: str(count)}
    return {"cpu": str(spec.cpus), "memory": f"{spec.cpus * _GIB_PER_CPU[spec.cpu_class]}Gi"}


def _container(name: str, release: Release, image: pulumi.Input[str], server: Server) -> dict[str, Any]:
    asked = {**needs(server.spec), "ephemeral-storage": "10Gi"}
    env: dict[str, pulumi.Input[str]] = {
        "SKYWRIGHT_ENDPOINT": server.spec.name,
        "SKYWRIGHT_PORT": str(PORT),
        "SKYWRIGHT_RELEASE_NAME": name,
        "SKYWRIGHT_RELEASE": as_json(weightless(release)),
        **server.env,
    }
    return {
        "name": "kserve-container",
        "image": image,
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": {"requests": asked, "limits": asked},
        "securityContext": plain_container_security(),
        "startupProbe": {**_probe("live"), "periodSeconds": 5, "failureThreshold": 120},
        "readinessProbe": {**_probe("ready"), "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**_probe("live"), "periodSeconds": 15, "failureThreshold": 4},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def _probe(what: str) -> dict[str, Any]:
    return {"httpGet": {"path": f"/v2/health/{what}", "port": PORT}, "timeoutSeconds": 3}
