"""Which pods hold a token of the cluster's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.graph import Node
from policies.resources import UNKNOWN
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, text
from policies.rules.pods import RUNTIMES, WORKLOADS, pods_of

ACCOUNTED = tuple(kind for kind in WORKLOADS if kind != RUNTIMES)
"""A serving runtime is no pod: the service that uses it has the account."""


@rule(
    "tokens-needed",
    Severity.MEDIUM,
    types=ACCOUNTED,
    title="A pod without an account of its own has no token",
    why="The default account's token lies in each of its pods: whoever breaks into one speaks to the API in its name.",
    remedy="Set automountServiceAccountToken to false, or name a service account that was made for it.",
)
def tokens_needed(workload: Node) -> Iterator[Finding]:
    """Whether a token is needed no declaration says; that somebody thought of it, an account of its own does."""
    for pod in pods_of(workload):
        account = text(pod.spec, "serviceAccountName") or text(pod.spec, "serviceAccount")
        if account in (None, "default") and flag(pod.spec, "automountServiceAccountToken") is not False:
            yield Finding(at=pod.spec.at("automountServiceAccountToken"), found=f"mounted for {account or 'default'}")


def _pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a"}], **spec}}


tokens_needed.examples(
    good=[_pod(automountServiceAccountToken=False), _pod(serviceAccountName="budget-actor")],
    bad=[_pod(), _pod(automountServiceAccountToken=True), _pod(serviceAccountName="default")],
    unknown=[{"spec": UNKNOWN}, _pod(automountServiceAccountToken=UNKNOWN), _pod(serviceAccountName=UNKNOWN)],
)
