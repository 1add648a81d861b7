"""What the local stack does, and what it can't."""

from __future__ import annotations

from components.features import Support, no, yes

_NO_CLUSTER = no("the local stack has its own scheduler only", "Remove it, or choose cloud kubernetes.")

SUPPORT: dict[str, Support] = {
    "network.nat_per_zone": yes("no NAT: everything listens on 127.0.0.1"),
    "network.no_nat": yes("no NAT: everything listens on 127.0.0.1"),
    "network.public_api": no("the local stack listens on 127.0.0.1 only", "Remove it, or choose a cloud."),
    "network.flow_logs": yes("none: nothing leaves the machine"),
    "identity.roles": yes("signed tokens in owner-only files"),
    "storage.managed_key": yes("none: owner-only folders"),
    "storage.checkpoint_expiry": yes("each job keeps its last few"),
    "registry.images": yes("none: processes, no images"),
    "registry.tracking": yes("MLflow over SQLite"),
    "training.managed": yes("the stack's own scheduler"),
    "training.kubernetes": _NO_CLUSTER,
    "training.accelerators": no(
        "slots of the local stack are CPU ranks",
        "Leave the accelerator out: jobs use the GPU of this machine where CUDA finds one.",
    ),
    "training.cpu_classes": no("slots of the local stack are ranks of this machine", "Remove it, or choose a cloud."),
    "training.teams": no(
        "the local stack has one queue without quotas", "Remove it, or choose runtime kubernetes on a cloud."
    ),
    "endpoint.managed": yes("a router and a server per release"),
    "endpoint.kubernetes": _NO_CLUSTER,
    "endpoint.empty": yes("answers 503, nothing released"),
    "endpoint.weights": yes("by the router"),
    "endpoint.sticky": yes("by a header's value"),
    "endpoint.shadow": yes("by the router, off the caller's path"),
    "endpoint.replicas": yes("one server per release, whatever the maximum"),
    "endpoint.scale_to_zero": no(
        "a server of the local stack stays up", "Set it to 1: the budget's last step stops servers."
    ),
    "endpoint.accelerators": no("servers of the local stack run on the CPU", "Remove it, or choose a cloud."),
    "endpoint.spot": no("servers of the local stack are never preempted", "Remove it, or choose a cloud."),
    "endpoint.capture": no("the local servers keep no requests", "Set it to 0, or choose a cloud."),
    "monitoring.request_rate": yes("scraped"),
    "monitoring.error_ratio": yes("scraped"),
    "monitoring.latency": yes("scraped"),
    "monitoring.replicas_ready": yes("scraped"),
    "monitoring.job_failures": yes("scraped"),
    "monitoring.preemptions": yes("scraped"),
    "monitoring.queue_wait": yes("scraped"),
    "monitoring.step_time": yes("scraped"),
    "monitoring.goodput": yes("scraped"),
    "monitoring.accelerator_utilisation": yes("absent where there is no accelerator"),
    "monitoring.accelerator_memory": yes("absent where there is no accelerator"),
    "monitoring.accelerator_errors": yes("absent where there is no accelerator"),
    "monitoring.spend_ratio": yes("from the ledger"),
    "monitoring.slo": no("the local monitor watches single windows", "Remove it, or write two alerts on error_ratio."),
    "monitoring.emails": no("the local monitor sends no mail", "Remove it, and set skywright:monitoring.webhook_url."),
    "monitoring.webhook": yes("posted by the monitor"),
    "monitoring.dashboard": yes("the page"),
    "budget.notify": yes("shown on the page and in the audit log"),
    "budget.block_new": yes("a hold that the scheduler obeys"),
    "budget.stop_spot": yes("a hold: spot jobs stop at a checkpoint"),
    "budget.scale_to_zero": yes("a hold: the model servers stop"),
    "budget.forecast": yes("none: the ledger counts what is spent"),
}
