"""What Kubernetes does, on a cluster that the user brings and on those that the clouds' components make."""

from __future__ import annotations

from components.features import Support, no, yes

_NO_SERVICE = no("a cluster has no managed service", "Remove it: on kubernetes the cluster itself is the default.")

SUPPORT: dict[str, Support] = {
    "network.nat_per_zone": yes("the cluster's own way out; network policies say who may use it"),
    "network.no_nat": yes("the cluster's own way out; network policies say who may use it"),
    "network.public_api": yes(
        "a gateway with a public address; needs kubernetes.gateway.tls_secret; who may call is decided before it"
    ),
    "network.flow_logs": yes("what the cluster's network plugin keeps; none of ours"),
    "identity.roles": yes("service accounts with Roles of named verbs; people by RBAC groups"),
    "storage.managed_key": yes("none: the encryption of the brought storage, or of the storage class"),
    "storage.checkpoint_expiry": yes("each job keeps its last few; nothing expires them after it"),
    "registry.images": yes("none of our own: kubernetes.images.repository names the one that is used"),
    "registry.tracking": yes(
        "MLflow in the cluster, one replica over SQLite on a volume; it has no roles of its own: network policies say "
        "who reaches it, signatures which versions are approved"
    ),
    "training.managed": _NO_SERVICE,
    "training.kubernetes": yes("Kueue in front of JobSets"),
    "training.accelerators": yes("NVIDIA's device plugin"),
    "training.cpu_classes": yes("the nodes that the pool names"),
    "training.teams": yes("a namespace, a quota and Kueue queues each, in one cohort"),
    "endpoint.managed": _NO_SERVICE,
    "endpoint.kubernetes": yes("a KServe InferenceService for each release, behind one HTTPRoute"),
    "endpoint.empty": yes("answers 503"),
    "endpoint.weights": yes("by the HTTPRoute, all at once, to a hundredth of a percent; at most 16 releases"),
    "endpoint.sticky": yes(
        "by the last two characters of the header's value, where these are hexadecimal as in UUIDs and numeric ids; "
        "other values, and requests without the header, by weight; at most 15 releases"
    ),
    "endpoint.shadow": yes("by mirroring; answers of shadows are dropped, not compared"),
    "endpoint.replicas": yes("KEDA, by requests per second"),
    "endpoint.scale_to_zero": yes("KEDA; callers get 503 until the first replica is ready"),
    "endpoint.accelerators": yes("NVIDIA's device plugin"),
    "endpoint.spot": yes("on the nodes of spot pools"),
    "endpoint.capture": yes("KServe's logger to kubernetes.capture_url; all requests or none: it does not sample"),
    "monitoring.request_rate": yes("Prometheus, from the gateway; of one release from its servers"),
    "monitoring.error_ratio": yes("Prometheus, from the gateway; of one release from its servers"),
    "monitoring.latency": yes("Prometheus, from the gateway; of one release the time in the model"),
    "monitoring.replicas_ready": yes("Prometheus, from kube-state-metrics"),
    "monitoring.job_failures": yes("Prometheus, from kube-state-metrics"),
    "monitoring.preemptions": yes("Prometheus, from Kueue: workloads that lost their place"),
    "monitoring.queue_wait": yes("Prometheus, from Kueue"),
    "monitoring.step_time": yes("Prometheus, from the jobs"),
    "monitoring.goodput": yes("Prometheus, from the jobs"),
    "monitoring.accelerator_utilisation": yes("Prometheus, from DCGM; absent where there is no accelerator"),
    "monitoring.accelerator_memory": yes("Prometheus, from DCGM; absent where there is no accelerator"),
    "monitoring.accelerator_errors": yes("Prometheus, from DCGM: XID errors; absent where there is no accelerator"),
    "monitoring.spend_ratio": yes("Prometheus, from OpenCost: what pods ask for; idle nodes are not counted"),
    "monitoring.slo": yes("Prometheus, over requests as the gateway counts them"),
    "monitoring.emails": yes("Alertmanager; needs kubernetes.smtp"),
    "monitoring.webhook": yes("Alertmanager"),
    "monitoring.dashboard": yes("Grafana"),
    "budget.notify": yes("an alert"),
    "budget.block_new": yes("Kueue admits nothing more; what runs goes on"),
    "budget.stop_spot": yes("Kueue evicts what runs on spot, at a checkpoint, and admits nothing there"),
    "budget.scale_to_zero": yes("KEDA is paused at zero replicas"),
    "budget.forecast": yes("an alert on the day's rate, over the hours that the month has left"),
}
