"""What Azure does by its managed services, and what they can't; a cluster: `components.kubernetes.support`."""

from __future__ import annotations

from components.features import Support, no, yes

_ON_CLUSTER = "or choose runtime kubernetes"

MAX_MIRROR_PERCENT = 50
"""Of an online endpoint, to one deployment, which then takes no other traffic.
https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints#test-the-deployment-with-mirrored-traffic"""
MAX_DEPLOYMENTS = 20
"""Of an online endpoint. https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas"""

SUPPORT: dict[str, Support] = {
    "network.nat_per_zone": yes("a node subnet for each zone with a NAT gateway in that zone; pools take turns"),
    "network.no_nat": yes("private endpoints; AKS needs a NAT gateway: its nodes fetch their images from outside"),
    "network.public_api": yes("workspace, endpoint; AKS's API server is open to azure.kubernetes.public_access_cidrs"),
    "network.flow_logs": yes("virtual network flow logs to a storage account"),
    "identity.roles": yes("managed identities; approvals are signed by a Key Vault key that only the approver may use"),
    "storage.managed_key": yes("a Key Vault key that rotates every year; logs stay under Microsoft's own"),
    "storage.checkpoint_expiry": yes("blob lifecycle rules"),
    "registry.images": yes("Container Registry: untagged images expire, others stay; jobs and servers name digests"),
    "registry.tracking": yes("the Azure ML workspace speaks MLflow's protocol"),
    "training.managed": yes("Azure ML compute clusters from zero nodes, low priority for spot"),
    "training.kubernetes": yes("AKS, a node pool for each pool"),
    "training.accelerators": yes("by virtual machine size"),
    "training.cpu_classes": yes("by virtual machine size"),
    "training.teams": no("Azure ML's compute clusters have one queue each", f"Remove it, {_ON_CLUSTER}."),
    "endpoint.managed": yes("one online endpoint, a deployment per release"),
    "endpoint.kubernetes": yes("KServe on AKS"),
    "endpoint.empty": yes("answers 404 until its first deployment"),
    "endpoint.weights": yes("whole percents"),
    "endpoint.sticky": no(
        "Azure ML spreads requests over deployments by weight alone", f"Set it to weighted, {_ON_CLUSTER}."
    ),
    "endpoint.shadow": yes("mirrored traffic: one release without weight, at most 50 percent"),
    "endpoint.replicas": yes("Azure Monitor's autoscale, by requests per minute and replica"),
    "endpoint.scale_to_zero": no("an Azure ML deployment keeps an instance", f"Set it to 1, {_ON_CLUSTER}."),
    "endpoint.accelerators": yes("by virtual machine size"),
    "endpoint.spot": no("Azure ML serves on dedicated instances", f"Remove it, {_ON_CLUSTER}."),
    "endpoint.capture": yes("the data collector, to the artifacts container"),
    "monitoring.request_rate": yes("a metric alert on the endpoint"),
    "monitoring.error_ratio": yes("a log query over the endpoint's requests"),
    "monitoring.latency": yes("a metric alert on the endpoint"),
    "monitoring.replicas_ready": yes("a metric alert on the deployments' capacity"),
    "monitoring.job_failures": yes("a log query over run events"),
    "monitoring.preemptions": yes("a log query over node events"),
    "monitoring.queue_wait": yes("a log query, reported by the job"),
    "monitoring.step_time": yes("a log query, reported by the job"),
    "monitoring.goodput": yes("a log query, reported by the job"),
    "monitoring.accelerator_utilisation": yes("a log query, reported by the job"),
    "monitoring.accelerator_memory": yes("a log query, reported by the job"),
    "monitoring.accelerator_errors": yes("a log query, reported by the job"),
    "monitoring.spend_ratio": yes("a log query, reported by the budget's actor"),
    "monitoring.slo": yes("log queries that join two windows"),
    "monitoring.emails": yes("an action group"),
    "monitoring.webhook": no(
        "an action group can't send the bearer token", "Remove it, and set skywright:monitoring.emails."
    ),
    "monitoring.dashboard": yes("a workbook"),
    "budget.notify": yes("a consumption budget; costs are some hours old"),
    "budget.block_new": yes("compute clusters get no node beyond those that run"),
    "budget.stop_spot": yes("low-priority clusters fall to zero nodes; their jobs wait"),
    "budget.scale_to_zero": yes("deployments fall to one instance, the least that Azure ML keeps"),
    "budget.forecast": yes("a consumption budget's forecast notice"),
}
