"""The two requests that make a command job: an environment for its image, and the job. REST's own bodies. Pure.

Not rendered: a job tier. Whether machines are low-priority is the compute cluster's to say, and each pool has its own
cluster; queueSettings.jobTier is for serverless compute.

https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, NamedTuple

from catalog.errors import UserError, mistake
from catalog.names import NameRule, name_for
from ml_jobs.contract import JobSpec, Pool, StackContract
from ml_jobs.launch.base import Origin
from ml_jobs.launch.managed import COMMAND, attempt_name, image_of, named, tags_of, variables

ENVIRONMENT = "skywright-train"
NAME_LENGTH = 255
MAX_TAGS, MAX_KEY, MAX_TAG = 50, 512, 256
COMPUTE = NameRule(
    "compute cluster",
    32,
    "https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftmachinelearningservices",
    min_length=3,
)


class Workspace(NamedTuple):
    subscription: str
    group: str
    name: str

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )


def workspace_of(stack: StackContract) -> Workspace:
    """The workspace that versions are registered in, which jobs run in too."""
    ref = stack.registry.models_ref
    found = re.match(
        r"(?i)/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.MachineLearningServices/[^/]+/([^/]+)",
        ref,
    )
    if not found:
        raise mistake("registry.models_ref", ref, "the id of an Azure ML workspace")
    return Workspace(*found.groups())


def name_of(stack: StackContract, run: str, attempt: int) -> str:
    return attempt_name(stack, run, attempt, length=NAME_LENGTH)


def render(job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, attempt: int = 0) -> dict[str, Any]:
    """{environment: {name, version, body}, job: {id, body}}, each a PUT below the workspace."""
    workspace, image = workspace_of(stack), image_of(job)
    version = hashlib.sha256(image.encode()).hexdigest()[:16]
    tags = _tags(tags_of(job, stack, origin, attempt))
    command: dict[str, Any] = {
        "jobType": "Command",
        "displayName": origin.run,
        "experimentName": job.name,
        "description": f"Attempt {attempt} of run {origin.run}, team {job.team}",
        "command": " ".join((*COMMAND, "train")),
        "computeId": f"{workspace.id}/computes/{name_for(COMPUTE, pool.name)}",
        "environmentId": f"{workspace.id}/environments/{ENVIRONMENT}/versions/{version}",
        "environmentVariables": named(variables(job, stack, origin, pool, attempt, "azureml")),
        # One process on each node: our entry starts the node's ranks, here as on every platform.
        "distribution": {"distributionType": "PyTorch", "processCountPerInstance": 1},
        "resources": {"instanceCount": job.resources.nodes},
        "identity": {"identityType": "Managed", "resourceId": stack.identities.training},
        "tags": tags,
    }
    if job.deadline_s is not None:
        command["limits"] = {"jobLimitsType": "Command", "timeout": f"PT{math.ceil(job.deadline_s)}S"}
    return {
        "environment": {
            "name": ENVIRONMENT,
            "version": version,
            "body": {"properties": {"image": image, "osType": "Linux", "description": "Image of training jobs"}},
        },
        "job": {"id": name_of(stack, origin.run, attempt), "body": {"properties": command}},
    }


def _tags(given: dict[str, str]) -> dict[str, str]:
    """https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations"""
    if len(given) > MAX_TAGS:
        raise UserError(f"the job has {len(given)} tags, ours among them; Azure takes {MAX_TAGS}", "Give it fewer.")
    plain = {re.sub(r"[<>%&\\?/]", "-", key)[:MAX_KEY]: value[:MAX_TAG] for key, value in given.items() if key}
    return dict(sorted(plain.items()))
