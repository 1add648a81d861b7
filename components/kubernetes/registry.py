"""An MLflow server in the cluster."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import contract
from components.contract import RegistryOutputs, StorageOutputs
from components.kubernetes.cluster import Cluster, labels_of, metadata
from components.kubernetes.network import KubernetesNetwork, own_settings
from components.kubernetes.pods import container_security, pod_security, resources
from components.kubernetes.settings import KubernetesSettings
from components.kubernetes.traffic import ROLE_LABEL, Gate, anywhere_but_nodes, stack_peer
from components.kubernetes.volumes import declare_claim
from components.specs import RegistrySpec

NAME = "mlflow"
PORT = 5000
ARTIFACTS_PATH = "/api/2.0/mlflow-artifacts/artifacts"
HOME = "/mlflow"


def registry_url(settings: KubernetesSettings) -> str:
    """Where the cluster's pods reach the server."""
    return settings.existing.tracking_url or f"http://{NAME}.{settings.namespace}.svc:{PORT}"


class ModelRegistry(contract.ModelRegistry):
    """MLflow over SQLite on a volume, one replica, reached from the platform's own namespaces alone."""

    cloud = "kubernetes"

    def build(
        self, spec: RegistrySpec, *, network: KubernetesNetwork, storage: StorageOutputs, **below: Any
    ) -> RegistryOutputs:
        settings = own_settings(self.ctx)
        url = pulumi.Output.from_input(registry_url(settings))
        if not settings.existing.tracking_url:
            server = self._server(network.cluster, settings)
            url = pulumi.Output.all(url, server.id).apply(lambda both: str(both[0]))
        return RegistryOutputs(
            tracking_url=url,
            models_ref=storage.artifacts_url.apply(lambda artifacts: f"{artifacts}/models"),
            image_url=pulumi.Output.from_input(settings.images.repository or ""),
        )

    def _server(self, cluster: Cluster, settings: KubernetesSettings) -> k8s.core.v1.Service:
        namespace = settings.namespace
        claim = declare_claim(self, cluster, namespace, NAME, settings.volume.artifacts_gib, settings.volume)
        selector = {ROLE_LABEL: "registry"}
        account = k8s.core.v1.ServiceAccount(
            self.child_name("account"),
            metadata=metadata(self, NAME, namespace),
            automount_service_account_token=False,
            opts=cluster.child(self, depends_on=cluster.namespaces[namespace]),
        )
        k8s.apps.v1.Deployment(
            self.child_name("server"),
            metadata=metadata(self, NAME, namespace),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),  # two must never share the SQLite file
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=selector),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels={**labels_of(self, name=NAME), **selector}),
                    spec=self._pod(settings),
                ),
            ),
            opts=cluster.child(self, depends_on=[claim, account]),
        )
        gate = Gate(self, cluster, namespace, cluster.namespaces[namespace])
        gate.let_in("stack", stack_peer(self), to=(PORT,), role="registry")
        if settings.storage_url:
            gate.let_out("artifacts", anywhere_but_nodes(), to=(443,), role="registry")
        return k8s.core.v1.Service(
            self.child_name("service"),
            metadata=metadata(self, NAME, namespace),
            spec=k8s.core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=selector,
                ports=[k8s.core.v1.ServicePortArgs(name="http", port=PORT, target_port="http")],
            ),
            opts=cluster.child(self, depends_on=cluster.namespaces[namespace]),
        )

    def _pod(self, settings: KubernetesSettings) -> k8s.core.v1.PodSpecArgs:
        artifacts = f"{settings.storage_url}/artifacts" if settings.storage_url else f"{HOME}/artifacts"
        probe = k8s.core.v1.HTTPGetActionArgs(path="/health", port="http")
        return k8s.core.v1.PodSpecArgs(
            service_account_name=NAME,
            automount_service_account_token=False,
            enable_service_links=False,
            security_context=pod_security(),
            containers=[
                k8s.core.v1.ContainerArgs(
                    name=NAME,
                    image=settings.images.mlflow,
                    command=["mlflow", "server"],
                    args=[
                        "--host=0.0.0.0",
                        f"--port={PORT}",
                        "--workers=1",
                        f"--backend-store-uri=sqlite:///{HOME}/registry.db",
                        "--serve-artifacts",
                        f"--artifacts-destination={artifacts}",
                    ],
                    env=[
                        k8s.core.v1.EnvVarArgs(name=name, value=value)
                        for name, value in (
                            ("HOME", "/tmp"),
                            ("DO_NOT_TRACK", "true"),
                            ("MLFLOW_DISABLE_TELEMETRY", "true"),
                            ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false"),  # 13 processes less
                        )
                    ],
                    ports=[k8s.core.v1.ContainerPortArgs(name="http", container_port=PORT)],
                    readiness_probe=k8s.core.v1.ProbeArgs(http_get=probe, period_seconds=10),
                    startup_probe=k8s.core.v1.ProbeArgs(http_get=probe, period_seconds=5, failure_threshold=36),
                    liveness_probe=k8s.core.v1.ProbeArgs(http_get=probe, period_seconds=30, failure_threshold=4),
                    resources=resources("250m", "2Gi"),
                    security_context=container_security(),
                    volume_mounts=[
                        k8s.core.v1.VolumeMountArgs(name="home", mount_path=HOME),
                        k8s.core.v1.VolumeMountArgs(name="tmp", mount_path="/tmp"),
                    ],
                )
            ],
            volumes=[
                k8s.core.v1.VolumeArgs(
                    name="home",
                    persistent_volume_claim=k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=NAME),
                ),
                k8s.core.v1.VolumeArgs(name="tmp", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit="1Gi")),
            ],
        )
