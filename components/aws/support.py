"""What AWS does by its managed services, and what they can't. What a cluster does: `components.kubernetes.support`."""

from __future__ import annotations

from components.features import Support, no, yes

_ON_CLUSTER = "or choose runtime kubernetes"

SUPPORT: dict[str, Support] = {
    "network.nat_per_zone": yes("a NAT gateway and a route table in every zone"),
    "network.no_nat": yes("interface endpoints for ECR, SageMaker, logs, STS, KMS; a gateway endpoint for S3"),
    "network.public_api": yes("public subnets; EKS's API server is open to aws.kubernetes.public_access_cidrs"),
    "network.flow_logs": yes("VPC flow logs to CloudWatch, encrypted"),
    "identity.roles": yes("IAM roles; approvals are signed by a KMS key that only the approver may use"),
    "storage.managed_key": yes("a KMS key that rotates every year, or the one that is brought"),
    "storage.checkpoint_expiry": yes("S3 lifecycle rules"),
    "registry.images": yes("ECR: immutable tags, scanned on push"),
    "registry.tracking": yes("SageMaker's MLflow server by aws.tracking_server; else the model package group alone"),
    "training.managed": yes("SageMaker training jobs, managed spot"),
    "training.kubernetes": yes("EKS, with capacity by Karpenter"),
    "training.accelerators": yes("by instance type"),
    "training.cpu_classes": yes("by instance type"),
    "training.teams": no("SageMaker's training jobs have no queues", f"Remove it, {_ON_CLUSTER}."),
    "endpoint.managed": yes("one SageMaker endpoint, a variant per release"),
    "endpoint.kubernetes": yes("KServe on EKS"),
    "endpoint.empty": yes("none: a SageMaker endpoint begins with its first release"),
    "endpoint.weights": yes("variant weights"),
    "endpoint.sticky": no(
        "SageMaker spreads requests over variants by weight alone", f"Set it to weighted, {_ON_CLUSTER}."
    ),
    "endpoint.shadow": yes("a shadow variant beside exactly one release"),
    "endpoint.replicas": yes("target tracking on invocations per instance"),
    "endpoint.scale_to_zero": no(
        "an instance of a SageMaker variant stays up", f"Set it to 1, aws.endpoint.mode to serverless, {_ON_CLUSTER}."
    ),
    "endpoint.accelerators": yes("by instance type"),
    "endpoint.spot": no("SageMaker serves on on-demand instances", f"Remove it, {_ON_CLUSTER}."),
    "endpoint.capture": yes("data capture to the artifacts bucket"),
    "monitoring.request_rate": yes("CloudWatch"),
    "monitoring.error_ratio": yes("CloudWatch metric math"),
    "monitoring.latency": yes("CloudWatch, model latency"),
    "monitoring.replicas_ready": yes("CloudWatch, instances that report"),
    "monitoring.job_failures": yes("CloudWatch, by SageMaker's events"),
    "monitoring.preemptions": yes("CloudWatch, reported by the job"),
    "monitoring.queue_wait": yes("CloudWatch, reported by the job"),
    "monitoring.step_time": yes("CloudWatch, reported by the job"),
    "monitoring.goodput": yes("CloudWatch, reported by the job"),
    "monitoring.accelerator_utilisation": yes("CloudWatch, reported by the job"),
    "monitoring.accelerator_memory": yes("CloudWatch, reported by the job"),
    "monitoring.accelerator_errors": yes("CloudWatch, reported by the job"),
    "monitoring.spend_ratio": yes("CloudWatch, reported by the budget's actor"),
    "monitoring.slo": yes("composite alarms over two windows"),
    "monitoring.emails": yes("SNS; each address confirms once"),
    "monitoring.webhook": no("SNS can't send the bearer token", "Remove it, and set skywright:monitoring.emails."),
    "monitoring.dashboard": yes("a CloudWatch dashboard"),
    "budget.notify": yes("AWS Budgets, by cost tag"),
    "budget.block_new": yes("a policy that denies new training is attached to the roles"),
    "budget.stop_spot": yes("spot training jobs are stopped"),
    "budget.scale_to_zero": yes("endpoints fall to one instance, the least that SageMaker keeps"),
    "budget.forecast": yes("AWS Budgets, forecast notices"),
}
