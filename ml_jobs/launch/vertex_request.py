"""The CreateCustomJob request for a job, in proto3's JSON. Pure.

Not rendered: a network. A custom job reaches the stack's services by their public names as its service account; into a
VPC it would go by a peering or a network attachment, which the stack's contract does not carry.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from catalog import instances
from catalog.errors import UserError, mistake
from catalog.labels import gcp_labels
from ml_jobs.contract import JobSpec, Pool, StackContract
from ml_jobs.launch.base import Origin
from ml_jobs.launch.managed import COMMAND, attempt_name, image_of, named, tags_of, variables

NAME_LENGTH = 128
DEFAULT_TIMEOUT_S = 7 * 86_400
"""Vertex's own."""
MAX_VARIABLES = 100
MAX_LABELS = 64


def parent_of(stack: StackContract) -> str:
    """`projects/<project>/locations/<region>`, where its models are registered too."""
    found = re.match(r"projects/[^/]+/locations/[^/]+", stack.registry.models_ref)
    if not found:
        raise mistake("registry.models_ref", stack.registry.models_ref, "projects/<project>/locations/<region>/models")
    return found[0]


def render(job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, attempt: int = 0) -> dict[str, Any]:
    """Raises UserError for what Vertex does not take."""
    key, tensorboard = stack.storage.key, stack.telemetry.tensorboard_ref
    base = f"{stack.storage.artifacts}/runs/{origin.run}/vertex"
    spec: dict[str, Any] = {
        "workerPoolSpecs": _worker_pools(job, stack, origin, pool, attempt),
        "scheduling": _scheduling(job, pool),
        "serviceAccount": stack.identities.training,
    }
    if tensorboard:  # it reads what the job writes below the base folder
        spec |= {"tensorboard": tensorboard, "baseOutputDirectory": {"outputUriPrefix": base}}
    custom_job: dict[str, Any] = {
        "displayName": attempt_name(stack, origin.run, attempt, length=NAME_LENGTH),
        "labels": labels_of(job, stack, origin, attempt),
        "jobSpec": spec,
    }
    if key:
        custom_job["encryptionSpec"] = {"kmsKeyName": key.partition("/cryptoKeyVersions/")[0]}
    return {"parent": parent_of(stack), "customJob": custom_job}


def labels_of(job: JobSpec, stack: StackContract, origin: Origin, attempt: int) -> dict[str, str]:
    """Keys begin with a letter. `run` and `attempt` are what an attempt is found by.

    https://cloud.google.com/resource-manager/docs/labels-overview#requirements
    """
    found = {
        key if key[0].isalpha() else f"x{key}"[:63]: value
        for key, value in gcp_labels(tags_of(job, stack, origin, attempt)).items()
        if key
    }
    if len(found) > MAX_LABELS:
        raise mistake("tags", f"{len(found)} tags", f"up to {MAX_LABELS} on Google Cloud, ours among them")
    return dict(sorted(found.items()))


def _worker_pools(job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, attempt: int) -> list[dict[str, Any]]:
    """The first pool is the one node that is the master; the second holds all others."""
    each = {
        "machineSpec": _machine(stack, pool),
        "containerSpec": {
            "imageUri": image_of(job),
            "command": list(COMMAND),
            "args": ["train"],
            "env": _environment(variables(job, stack, origin, pool, attempt, "vertex")),
        },
    }
    others = job.resources.nodes - 1
    return [{**each, "replicaCount": count} for count in ([1, others] if others else [1])]


def _machine(stack: StackContract, pool: Pool) -> dict[str, Any]:
    if pool.accelerator is None:
        return {"machineType": pool.instance_type}
    known = instances.candidates("gcp", stack.region, runtime="managed", accelerator=pool.accelerator, count=pool.count)
    kind = next((item.api_accelerator for item in known if item.name == pool.instance_type), None)
    if kind is None:
        raise UserError(
            f"pool {pool.name} is {pool.instance_type} with {pool.count} x {pool.accelerator}; Vertex AI has: "
            f"{', '.join(item.name for item in known)}",
            "Bring the stack up again with this release: skywright up.",
        )
    return {"machineType": pool.instance_type, "acceleratorType": kind, "acceleratorCount": pool.count}


def _scheduling(job: JobSpec, pool: Pool) -> dict[str, Any]:
    """Ranks can't go on without one of theirs: a worker that comes back restarts the whole job, from its checkpoint.

    On demand, a job that allows no retry gets none of Vertex's either; what spot takes away always comes back.
    """
    limit = f"{math.ceil(job.deadline_s) if job.deadline_s is not None else DEFAULT_TIMEOUT_S}s"
    found: dict[str, Any] = {"strategy": "SPOT" if pool.is_spot else "STANDARD", "timeout": limit}
    if pool.is_spot:
        return {**found, "maxWaitDuration": limit, "restartJobOnWorkerRestart": True}
    if job.retries.failure == 0:
        return {**found, "disableRetries": True}
    return {**found, "restartJobOnWorkerRestart": True}


def _environment(given: Mapping[str, str]) -> list[dict[str, str]]:
    """Vertex would put variables in for `$(NAME)`; a doubled dollar keeps it as it is."""
    if len(given) > MAX_VARIABLES:
        raise mistake("env", f"{len(given)} variables", f"up to {MAX_VARIABLES} on Vertex AI, ours among them")
    return [{"name": name, "value": value.replace("$(", "$$(")} for name, value in named(given).items()]
