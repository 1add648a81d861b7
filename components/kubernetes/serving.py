"""The declared releases on a cluster: an inference service each, behind one route."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from catalog.errors import UserError
from catalog.names import name_for
from components.contract import Component, EndpointOutputs, RegistryOutputs, StorageOutputs
from components.kubernetes import custom, inference
from components.kubernetes.cluster import Cluster, WorkloadIdentity, metadata
from components.kubernetes.flavors import Flavor
from components.kubernetes.gateway import declare_gateway, endpoint_url
from components.kubernetes.inference import ENDPOINT_LABEL, RELEASE_LABEL, as_json, weightless
from components.kubernetes.names import CLUSTER_WIDE, INFERENCE_SERVICE, LABEL, SERVING_ACCOUNT, serving_namespace
from components.kubernetes.namespaces import declare_namespace
from components.kubernetes.operators import prometheus_url
from components.kubernetes.platform import REGISTRY_PORT
from components.kubernetes.roles import declare_role
from components.kubernetes.routes import rules
from components.kubernetes.scaling import scaled_object
from components.kubernetes.traffic import GATEWAY_NAMESPACE, ROLE_LABEL, Gate, namespace_peer
from components.specs import EndpointSpec
from ml_jobs.contract import Release

PREDICTOR = "-predictor"


def declare_endpoint(
    owner: Component[Any, Any],
    cluster: Cluster,
    spec: EndpointSpec,
    *,
    storage: StorageOutputs,
    registry: RegistryOutputs,
    approver_key_ref: pulumi.Input[str] = "",
    identity: WorkloadIdentity | None = None,
    is_public: bool = False,
) -> EndpointOutputs:
    """Declare it. `identity` is what model servers become on the cloud; `is_public`: whether callers from outside of
    the network reach it, which takes a certificate: without `gateway.tls_secret` the gateway stays private."""
    who = identity or WorkloadIdentity()
    namespace = serving_namespace(cluster.settings.namespace)
    flavors = flavors_for(spec, cluster.flavors)
    gate = declare_namespace(owner, cluster, namespace)
    _open(gate, cluster, who)
    account = k8s.core.v1.ServiceAccount(
        owner.child_name(SERVING_ACCOUNT),
        metadata=metadata(owner, SERVING_ACCOUNT, namespace, annotations=who.annotations),
        automount_service_account_token=False,
        opts=cluster.child(owner, depends_on=cluster.namespaces[namespace]),
    )
    for role in ("approver", "pipeline", "viewer", "admin"):
        declare_role(owner, cluster, namespace, role)
    server = inference.Server(
        spec=spec,
        env={
            "SKYWRIGHT_ARTIFACTS_URL": storage.artifacts_url,
            "SKYWRIGHT_TRACKING_URL": registry.tracking_url,
            "SKYWRIGHT_APPROVER_KEY": approver_key_ref,
            "SKYWRIGHT_REQUIRES_APPROVAL": str(spec.requires_approval or owner.ctx.is_production).lower(),
        },
        flavors=flavors,
        identity=who,
        priority_class=owner.ctx.name(CLUSTER_WIDE, "serving"),
        capture_url=cluster.settings.capture_url if spec.capture_percent else None,
    )
    services = {name: service_name(owner, spec, name) for name in spec.releases}
    deployed = [
        _release(owner, cluster, spec, name, release, server, registry, depends_on=[account])
        for name, release in spec.releases.items()
    ]
    _scraped(owner, cluster, namespace)
    gateway = declare_gateway(
        owner, cluster, spec.name, namespace, is_public=is_public and cluster.settings.gateway.tls_secret is not None
    )
    nobody = _nobody(owner, cluster, spec, namespace)
    route = custom.declare(
        owner,
        cluster,
        "HTTPRoute",
        "route",
        spec.name,
        namespace,
        spec={
            "parentRefs": [{"name": spec.name}],
            **({"hostnames": [cluster.settings.gateway.host]} if cluster.settings.gateway.host else {}),
            "rules": rules(spec.releases, services, spec.routing, nobody=nobody),
        },
        annotations={
            "skywright.dev/releases": as_json(
                {name: release.model_dump(mode="json") for name, release in spec.releases.items()}
            )
        },
        depends_on=[gateway, *deployed],
    )
    return EndpointOutputs(
        name=spec.name,
        url=pulumi.Output.all(endpoint_url(owner, cluster, spec.name), route.id).apply(lambda both: str(both[0])),
        protocol="open-inference-v2",
    )


def service_name(owner: Component[Any, Any], spec: EndpointSpec, release: str) -> str:
    """The Service that KServe makes for a release."""
    return inference_name(spec, release) + PREDICTOR


def inference_name(spec: EndpointSpec, release: str) -> str:
    return name_for(INFERENCE_SERVICE, spec.name, release)


def flavors_for(spec: EndpointSpec, flavors: list[Flavor]) -> list[Flavor]:
    """The pools whose nodes the replicas go to; none for CPU servers that any on-demand node will do for."""
    kind = spec.accelerator.kind if spec.accelerator else None
    if kind is None and not spec.is_spot:
        return []
    count = spec.accelerator.count if spec.accelerator else 0
    found = [
        flavor
        for flavor in flavors
        if flavor.accelerator == kind and flavor.count >= count and flavor.is_spot == spec.is_spot
    ]
    if not found:
        asked = f"{count} {kind}" if kind else "CPUs"
        known = ", ".join(
            f"{flavor.pool} ({flavor.count} {flavor.accelerator or 'accelerators'}, {flavor.capacity})"
            for flavor in flavors
        )
        raise UserError(
            f"skywright:endpoint asks for {asked} on {'spot' if spec.is_spot else 'on-demand'} nodes, and no pool has "
            f"them; pools: {known}",
            "Add such a pool to skywright:training.pools, or change endpoint.accelerator or endpoint.is_spot.",
        )
    return found


def image_of(release: Release, registry: RegistryOutputs) -> pulumi.Input[str]:
    """A release's image: whole as it is, or its digest in the stack's registry."""
    digest = release.image_digest or ""
    return digest if "@" in digest else registry.image_url.apply(lambda url: f"{url}@{digest}")


def _release(
    owner: Component[Any, Any],
    cluster: Cluster,
    spec: EndpointSpec,
    name: str,
    release: Release,
    server: inference.Server,
    registry: RegistryOutputs,
    *,
    depends_on: list[Any],
) -> pulumi.Resource:
    namespace = serving_namespace(cluster.settings.namespace)
    own_name = inference_name(spec, name)
    chosen = {RELEASE_LABEL: name, ENDPOINT_LABEL: spec.name}
    made = custom.declare(
        owner,
        cluster,
        "InferenceService",
        f"release-{name}",
        own_name,
        namespace,
        spec={"predictor": inference.predictor(name, release, image_of(release, registry), server)},
        labels=chosen,
        annotations={**inference.MODE, inference.RECORD: as_json(weightless(release))},
        depends_on=depends_on,
    )
    custom.declare(
        owner,
        cluster,
        "ScaledObject",
        f"release-{name}-scaler",
        own_name,
        namespace,
        spec=scaled_object(
            name, own_name + PREDICTOR, spec, namespace=namespace, prometheus_url=prometheus_url(cluster)
        ),
        labels=chosen,
        depends_on=[made],
    )
    k8s.policy.v1.PodDisruptionBudget(
        owner.child_name(f"release-{name}-disruption"),
        metadata=metadata(owner, own_name, namespace, labels=chosen),
        spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1, selector=k8s.meta.v1.LabelSelectorArgs(match_labels=chosen)
        ),
        opts=cluster.child(owner, depends_on=cluster.namespaces[namespace]),
    )
    return made


def _open(gate: Gate, cluster: Cluster, identity: WorkloadIdentity) -> None:
    """The gateway and Prometheus reach servers; servers reach object stores and the registry, never each other."""
    gate.let_in("gateway", namespace_peer(GATEWAY_NAMESPACE), to=(inference.PORT,), role=inference.ROLE)
    gate.let_in(
        "prometheus",
        namespace_peer(cluster.settings.prometheus_namespace),
        to=(inference.PORT,),
        role=inference.ROLE,
    )
    gate.let_out_to_cloud(identity)
    gate.let_out("registry", namespace_peer(cluster.settings.namespace), to=(REGISTRY_PORT,), role=inference.ROLE)


def _scraped(owner: Component[Any, Any], cluster: Cluster, namespace: str) -> None:
    custom.declare(
        owner,
        cluster,
        "PodMonitor",
        "servers",
        "servers",
        namespace,
        spec={
            "selector": {"matchLabels": {ROLE_LABEL: inference.ROLE}},
            "podMetricsEndpoints": [
                {
                    "port": inference.PORT_NAME,
                    "path": "/metrics",
                    "interval": "15s",
                    "relabelings": [
                        {
                            "sourceLabels": [f"__meta_kubernetes_pod_label_{_prometheus(ENDPOINT_LABEL)}"],
                            "targetLabel": "skywright_endpoint",
                        }
                    ],
                }
            ],
        },
        labels=cluster.settings.prometheus_labels,
    )


def _prometheus(label: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in label)


def _nobody(owner: Component[Any, Any], cluster: Cluster, spec: EndpointSpec, namespace: str) -> str:
    """A Service that nothing stands behind: the gateway answers 503 for it."""
    name = name_for(LABEL, spec.name, "nothing-released")
    k8s.core.v1.Service(
        owner.child_name("nothing-released"),
        metadata=metadata(owner, name, namespace, annotations={"pulumi.com/skipAwait": "true"}),
        spec=k8s.core.v1.ServiceSpecArgs(
            type="ClusterIP", ports=[k8s.core.v1.ServicePortArgs(name="http", port=80, target_port=inference.PORT)]
        ),
        opts=cluster.child(owner, depends_on=cluster.namespaces[namespace]),
    )
    return name
