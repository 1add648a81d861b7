"""What Kubernetes takes for names."""

from __future__ import annotations

from catalog.names import NameRule, name_for

_SYNTAX = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"

LABEL = NameRule("a namespace, a service or a label's value", 63, f"{_SYNTAX}#dns-label-names")
CLUSTER_WIDE = NameRule("a cluster-wide object", 63, f"{_SYNTAX}#dns-subdomain-names")
CRON_JOB = NameRule("a cron job", 52, "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/")
QUEUE = NameRule("a queue", 40, "ml_jobs.contract.Name")
INFERENCE_SERVICE = NameRule(
    "an inference service",
    63 - len("-predictor"),
    "https://github.com/kserve/kserve/blob/v0.15.2/pkg/constants/constants.go",
)
"""KServe names the Deployment and the Service of a predictor after it, with `-predictor`."""


def team_namespace(namespace: str, team: str) -> str:
    """A team's own namespace."""
    return name_for(LABEL, namespace, "team", team)


def serving_namespace(namespace: str) -> str:
    """Where the endpoint and its releases lie."""
    return name_for(LABEL, namespace, "serving")


TRAINING_ACCOUNT = "training"
"""The service account of jobs, in each team's namespace."""
SERVING_ACCOUNT = "serving"
"""The service account of model servers, in the namespace of the endpoint."""
