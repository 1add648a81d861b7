"""What Google Cloud does by its managed services, and what they can't. What a cluster does:
`components.kubernetes.support`."""

from __future__ import annotations

from components.features import Support, no, yes

_ON_CLUSTER = "or choose runtime kubernetes"

SUPPORT: dict[str, Support] = {
    "network.nat_per_zone": yes("Cloud NAT belongs to the region and outlives a zone: the same as single"),
    "network.no_nat": yes("nothing but Google's APIs, by private Google access"),
    "network.public_api": yes("GKE's API server is open to gcp.kubernetes.authorized_networks; Vertex always asks IAM"),
    "network.flow_logs": yes("VPC flow logs, half of the flows, to Cloud Logging"),
    "identity.roles": yes("service accounts; approvals are signed by a KMS key that only the approver may use"),
    "storage.managed_key": yes("a KMS key that rotates every 90 days, or the one that is brought"),
    "storage.checkpoint_expiry": yes("lifecycle rules of Cloud Storage"),
    "registry.images": yes("Artifact Registry: immutable tags, scanned; it never deletes what has a tag"),
    "registry.tracking": yes("none: versions and their lineage lie in the Vertex model registry"),
    "training.managed": yes("Vertex custom jobs, Spot VMs"),
    "training.kubernetes": yes("GKE, a node pool for each pool"),
    "training.accelerators": yes("by machine type"),
    "training.cpu_classes": yes("by machine type"),
    "training.teams": no("Vertex custom jobs have no queues", f"Remove it, {_ON_CLUSTER}."),
    "endpoint.managed": yes("one Vertex endpoint, a deployed model per release"),
    "endpoint.kubernetes": yes("KServe on GKE"),
    "endpoint.empty": yes("a Vertex endpoint stands empty until the first release"),
    "endpoint.weights": yes("the traffic split, in whole percent"),
    "endpoint.sticky": no(
        "Vertex spreads requests over deployed models by weight alone", f"Set it to weighted, {_ON_CLUSTER}."
    ),
    "endpoint.shadow": no("a Vertex endpoint mirrors no requests", f"Set it to 0, {_ON_CLUSTER}."),
    "endpoint.replicas": yes("Vertex autoscaling on CPU or accelerator load, not on requests"),
    "endpoint.scale_to_zero": no("a deployed model of Vertex keeps one replica", f"Set it to 1, {_ON_CLUSTER}."),
    "endpoint.accelerators": yes("by machine type"),
    "endpoint.spot": yes("Spot VMs behind the endpoint, never in production"),
    "endpoint.capture": yes("request-response logging to BigQuery"),
    "monitoring.request_rate": yes("Cloud Monitoring"),
    "monitoring.error_ratio": yes("Cloud Monitoring"),
    "monitoring.latency": yes("Cloud Monitoring; avg, p50, p95, p99"),
    "monitoring.replicas_ready": yes("Cloud Monitoring"),
    "monitoring.job_failures": yes("Cloud Monitoring, counted in the jobs' logs"),
    "monitoring.preemptions": yes("Cloud Monitoring, counted in the jobs' logs"),
    "monitoring.queue_wait": yes("Cloud Monitoring, reported by the job"),
    "monitoring.step_time": yes("Cloud Monitoring, reported by the job"),
    "monitoring.goodput": yes("Cloud Monitoring, reported by the job"),
    "monitoring.accelerator_utilisation": yes("Cloud Monitoring, reported by the job"),
    "monitoring.accelerator_memory": yes("Cloud Monitoring, reported by the job"),
    "monitoring.accelerator_errors": yes("Cloud Monitoring, reported by the job"),
    "monitoring.spend_ratio": yes("Cloud Monitoring, reported by the budget's actor"),
    "monitoring.slo": yes("PromQL conditions over two windows"),
    "monitoring.emails": yes("notification channels"),
    "monitoring.webhook": yes(
        "a notification channel; webhookToken is the password of user skywright, since Google sends no bearer token"
    ),
    "monitoring.dashboard": yes("a Cloud Monitoring dashboard"),
    "budget.notify": yes("a Cloud Billing budget, by label"),
    "budget.block_new": yes("the pipeline's service account, which submits jobs, is disabled"),
    "budget.stop_spot": yes("spot custom jobs of the stack are cancelled"),
    "budget.scale_to_zero": yes("deployed models fall to one replica, the least that Vertex keeps"),
    "budget.forecast": yes("the budget's forecast thresholds"),
}
