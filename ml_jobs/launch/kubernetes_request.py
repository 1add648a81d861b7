"""A job as a cluster's API server takes it: a JobSet in its team's queue, and a ConfigMap that its pods read. Pure.

How a pod's end is told apart, so that all pods start again together or none does:

| a pod ends by                             | the Job fails with                | the JobSet          |
|-------------------------------------------|-----------------------------------|---------------------|
| exit 78, a mistake in the job             | PodFailurePolicy, rule MISTAKE    | fails               |
| a disruption, or exit 75 (resume me)      | PodFailurePolicy, another rule    | restarts, for free  |
| the deadline                              | DeadlineExceeded                  | fails               |
| anything else                             | BackoffLimitExceeded (limit 0)    | restarts, and counts|

A node that vanishes is called a disruption minutes later. Before, its peers give it up and end with 75, so often as
ml_jobs.runtime.lost says, and only after a while: a pod that failed for a reason of its own is judged first.

The Job's own retries would replace one pod among peers that wait for it: any end but success fails the whole Job.
https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
https://jobset.sigs.k8s.io/docs/tasks/failure_policy/ (patterns of messages: from v0.10 on)
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from catalog.errors import EXIT_PREEMPTED, EXIT_USER_ERROR, UserError, did_you_mean, mistake
from catalog.labels import kubernetes_labels
from catalog.names import NameRule, name_for
from ml_jobs.contract import Capacity, JobSpec, Pool, Queue, StackContract
from ml_jobs.launch.base import Origin
from ml_jobs.launch.kubernetes_pod import CONTAINER, WORKERS, identity_labels, pod
from ml_jobs.launch.pools import possible

JOBSET = "jobset.x-k8s.io/v1alpha2"
RUN_NAME = NameRule("a JobSet whose pods can be named", 63 - len(f"-{WORKERS}-0-511-abcde"), f"{JOBSET} webhook")
CLUSTER_WIDE = NameRule("a cluster-wide object", 63, "components.kubernetes.names")
QUEUE = NameRule("a queue", 40, "components.kubernetes.names")

KEPT_S = 7 * 86_400
"""How long a finished run can be looked at on the cluster."""
LONGEST_S = 2**31 - 1

MISTAKE = 0
"""Place of the rule for exit 78; its Job's message ends with it."""


def render(job: JobSpec, stack: StackContract, origin: Origin, attempt: int = 0) -> dict[str, Any]:
    """{"configmap", "jobset"} for `job`. Raises UserError for what the stack has no queue, pool or claim for."""
    if job.image is None:
        raise UserError(
            f"job {job.name} names no image", f"Push the stack's own: skywright image push -s {stack.stack}"
        )
    pool, queue = place(job, stack)
    namespace, local_queue = where(queue)
    name = name_of(origin.run, attempt)
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "labels": labels(job, stack, origin, pool, attempt),
        "annotations": {
            "skywright.dev/by": origin.by,
            "skywright.dev/queue": queue.name,
            "skywright.dev/pool": pool.name,
        },
    }
    template = {
        "metadata": {"labels": metadata["labels"] | identity_labels(stack)},
        "spec": pod(job, stack, origin, pool, name=name)
        | {"priorityClassName": name_for(CLUSTER_WIDE, *_owned(stack), "training")},
    }
    return {
        "configmap": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"job.json": _job(job, origin), "contract.json": _json(stack.model_dump(mode="json"))},
        },
        "jobset": {
            "apiVersion": JOBSET,
            "kind": "JobSet",
            "metadata": {**metadata, "labels": metadata["labels"] | _queued(job, stack, local_queue)},
            "spec": {
                "failurePolicy": failure_policy(job),
                "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
                "ttlSecondsAfterFinished": KEPT_S,
                "replicatedJobs": [
                    {
                        "name": WORKERS,
                        "replicas": 1,
                        "template": {"spec": _workers(job, template)},
                    }
                ],
            },
        },
    }


def place(job: JobSpec, stack: StackContract) -> tuple[Pool, Queue]:
    """The pool that the job is priced and warned by, and the queue of its team in front of such capacity."""
    known = [queue.name for queue in stack.queues]
    asked = job.queue
    if asked is not None:
        found = next((queue for queue in stack.queues if queue.name == asked), None)
        if found is None:
            raise UserError(
                f"queue is {asked!r}; stack {stack.stack} has: {', '.join(known)}", did_you_mean(asked, known)
            )
        is_spot = where(found)[1] == "spot"
        if job.capacity is (Capacity.ON_DEMAND_ONLY if is_spot else Capacity.SPOT_ONLY):
            raise mistake(
                "capacity", job.capacity.value, f"what queue {asked} is in front of, {_market(is_spot)} capacity"
            )
        only = Capacity.SPOT_ONLY if is_spot else Capacity.ON_DEMAND_ONLY
        return possible(job.model_copy(update={"capacity": only}), stack)[0], found
    pool = possible(job, stack)[0]
    wanted = name_for(QUEUE, job.team, _market(pool.is_spot))
    for queue in stack.queues:
        if queue.name == wanted:
            return pool, queue
    teams = sorted({queue.name.rsplit("-spot", 1)[0].rsplit("-on-demand", 1)[0] for queue in stack.queues})
    raise UserError(
        f"job {job.name} is of team {job.team!r}, which has no queue {wanted}; stack {stack.stack} has queues of: "
        f"{', '.join(teams) or 'nobody'}",
        did_you_mean(job.team, teams) or "Give the job's team, or name its queue with --queue.",
    )


def where(queue: Queue) -> tuple[str, str]:
    """(namespace, local queue) of a contract's queue."""
    namespace, slash, name = (queue.ref or "").partition("/")
    if not (namespace and slash and name):
        raise UserError(
            f"queue {queue.name} refers to {queue.ref!r}, no queue of a cluster", "Bring the stack up anew."
        )
    return namespace, name


def name_of(run: str, attempt: int) -> str:
    """The JobSet's and the ConfigMap's name: the run's id, shortened where its pods could not be named."""
    return name_for(RUN_NAME, run, str(attempt) if attempt else "")


def labels(job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, attempt: int) -> dict[str, str]:
    """By which a run's objects are found, scraped and paid for; the job's own tags under a prefix of theirs."""
    tags = {
        re.sub(r"[^A-Za-z0-9_.-]", "-", key).strip("-_.")[:63].rstrip("-_."): text for key, text in job.tags.items()
    }
    return kubernetes_labels({key: text for key, text in tags.items() if key}, prefix="tags.skywright.dev") | (
        kubernetes_labels(
            {
                "stack": stack.stack,
                "team": job.team,
                "job": job.name,
                "run": origin.run,
                "attempt": str(attempt),
                "role": "training",
                "capacity": _market(pool.is_spot),
                "data": job.data_classification,
            }
        )
    )


def failure_policy(job: JobSpec) -> dict[str, Any]:
    """The right half of the table above. Rules are tried in order; a failure that none matches restarts and counts."""
    return {
        "maxRestarts": job.retries.failure,
        "restartStrategy": "Recreate",
        "rules": [
            {
                "name": "mistake",
                "action": "FailJobSet",
                "onJobFailureReasons": ["PodFailurePolicy"],
                "onJobFailureMessagePatterns": [f"matching FailJob rule at index {MISTAKE}$"],
            },
            {
                "name": "preempted",
                "action": "RestartJobSetAndIgnoreMaxRestarts",
                "onJobFailureReasons": ["PodFailurePolicy"],
            },
            {"name": "overrun", "action": "FailJobSet", "onJobFailureReasons": ["DeadlineExceeded"]},
        ],
    }


def _workers(job: JobSpec, template: dict[str, Any]) -> dict[str, Any]:
    nodes = job.resources.nodes
    limit = {} if job.deadline_s is None else {"activeDeadlineSeconds": _whole_s(job.deadline_s)}
    return {
        "parallelism": nodes,
        "completions": nodes,
        "completionMode": "Indexed",
        "backoffLimit": 0,
        **limit,
        "podFailurePolicy": {
            "rules": [
                _on_exit(EXIT_USER_ERROR),
                {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                _on_exit(EXIT_PREEMPTED),
            ]
        },
        "template": template,
    }


def _on_exit(code: int) -> dict[str, Any]:
    return {
        "action": "FailJob",
        "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [code]},
    }


def _queued(job: JobSpec, stack: StackContract, queue: str) -> dict[str, str]:
    """Kueue's labels. A stack has three priorities: a job's counts by its sign."""
    level = "normal" if job.priority == 0 else "high" if job.priority > 0 else "low"
    told = {
        "kueue.x-k8s.io/queue-name": queue,
        "kueue.x-k8s.io/priority-class": name_for(CLUSTER_WIDE, *_owned(stack), level),
    }
    if job.deadline_s is not None:  # over all restarts, where the Job's own limit begins anew with each
        told["kueue.x-k8s.io/max-exec-time-seconds"] = str(_whole_s(job.deadline_s))
    return told


def _owned(stack: StackContract) -> tuple[str, str]:
    """What names of the stack's cluster-wide objects begin with."""
    return "skywright", stack.stack


def _market(is_spot: bool) -> str:
    return "spot" if is_spot else "on-demand"


def _whole_s(seconds: float) -> int:
    return min(math.ceil(seconds), LONGEST_S)


def _job(job: JobSpec, origin: Origin) -> str:
    about = {"id": origin.run, "by": origin.by, "submitted_at": origin.at, "lineage": origin.lineage}
    return _json({**job.model_dump(mode="json", by_alias=True), "job": about})


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, sort_keys=True, default=str)
