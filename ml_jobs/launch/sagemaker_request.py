"""The CreateTrainingJob request for a job. Pure.

No CheckpointConfig: the runtime writes whole checkpoints to the stack's store by itself, and SageMaker's copying of a
local folder would store them twice, and torn. Hosts find each other by resourceconfig.json, which SageMaker writes.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from catalog.errors import UserError, mistake
from ml_jobs.contract import JobSpec, Pool, StackContract
from ml_jobs.launch.base import Origin
from ml_jobs.launch.managed import COMMAND, attempt_name, image_of, named, tags_of, variables

NAME_LENGTH = 63
MAX_RUNTIME_S = 28 * 86_400
DEFAULT_RUNTIME_S = 5 * 86_400
"""SageMaker's quota for the longest run, where nobody has raised it."""
MAX_KEEP_ALIVE_S = 3600
MAX_VARIABLES, MAX_VALUE = 100, 512
MAX_TAGS, MAX_KEY, MAX_TAG = 50, 128, 256
VOLUME_GB = 100
MAX_RETRIES = 30

LOCAL_STORAGE = frozenset({
    "c5d", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "m5d", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200",
    "p6-b300", "p6e-gb200", "r5d", "trn1", "trn1n", "trn2",
})  # fmt: skip
"""Families with disks of their own, encrypted by the instance itself: SageMaker gives them no volume and takes no key.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html
"""


def render(
    job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, attempt: int = 0, *, keep_alive_s: int = 0
) -> dict[str, Any]:
    """`keep_alive_s`: how long the instances wait for the next job (a warm pool), which is paid for; 0: not at all.

    Raises UserError for what SageMaker does not take.
    """
    network, key = stack.network, stack.storage.key
    request: dict[str, Any] = {
        "TrainingJobName": attempt_name(stack, origin.run, attempt, length=NAME_LENGTH),
        "AlgorithmSpecification": {
            "TrainingImage": image_of(job),
            "TrainingInputMode": "File",
            "ContainerEntrypoint": list(COMMAND),
            "ContainerArguments": ["train"],
        },
        "RoleArn": stack.identities.training,
        "OutputDataConfig": {
            "S3OutputPath": f"{stack.storage.artifacts}/runs/{origin.run}/sagemaker",
            **({"KmsKeyId": key} if key else {}),
        },
        "ResourceConfig": _resources(job, pool, key, keep_alive_s),
        "StoppingCondition": _limits(job, pool),
        "Environment": _environment(variables(job, stack, origin, pool, attempt, "sagemaker")),
        "EnableManagedSpotTraining": pool.is_spot,
        # The stack's roles may start no other, whatever the number of nodes.
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": False,  # the runtime talks to the stack's store
        "Tags": _tags(tags_of(job, stack, origin, attempt)),
    }
    if network.subnets and network.firewalls:
        request["VpcConfig"] = {"Subnets": list(network.subnets), "SecurityGroupIds": list(network.firewalls)}
    if job.retries.failure:  # SageMaker's own failures; the job's are not repeated by it
        request["RetryStrategy"] = {"MaximumRetryAttempts": min(job.retries.failure, MAX_RETRIES)}
    return request


def _resources(job: JobSpec, pool: Pool, key: str | None, keep_alive_s: int) -> dict[str, Any]:
    found: dict[str, Any] = {"InstanceType": pool.instance_type, "InstanceCount": job.resources.nodes}
    family = pool.instance_type.removeprefix("ml.").rpartition(".")[0]
    if family not in LOCAL_STORAGE:
        found |= {"VolumeSizeInGB": VOLUME_GB, **({"VolumeKmsKeyId": key} if key else {})}
    if keep_alive_s:
        if pool.is_spot:
            raise UserError(
                f"keep_alive_s is {keep_alive_s}, and pool {pool.name} is spot; SageMaker keeps on-demand ones only",
                "Ask for --capacity on_demand_only, or for no keep-alive.",
            )
        if not 0 < keep_alive_s <= MAX_KEEP_ALIVE_S:
            raise mistake("keep_alive_s", keep_alive_s, f"0 to {MAX_KEEP_ALIVE_S} seconds")
        found["KeepAlivePeriodInSeconds"] = keep_alive_s
    return found


def _limits(job: JobSpec, pool: Pool) -> dict[str, int]:
    """On spot the deadline holds for waiting and running together; the time that it runs can't be longer either."""
    if job.deadline_s is not None and job.deadline_s > MAX_RUNTIME_S:
        raise mistake("deadline_s", job.deadline_s, f"up to {MAX_RUNTIME_S} (28 days) on SageMaker")
    runtime = math.ceil(job.deadline_s) if job.deadline_s is not None else DEFAULT_RUNTIME_S
    if not pool.is_spot:
        return {"MaxRuntimeInSeconds": runtime}
    wait = runtime if job.deadline_s is not None else 2 * runtime
    return {"MaxRuntimeInSeconds": runtime, "MaxWaitTimeInSeconds": wait}


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    if len(given) > MAX_VARIABLES:
        raise mistake("env", f"{len(given)} variables", f"up to {MAX_VARIABLES} on SageMaker, ours among them")
    found = named(given, longest=MAX_VALUE)
    for name, value in found.items():
        if len(value) > MAX_VALUE:
            raise UserError(
                f"env.{name} has {len(value)} characters; SageMaker takes {MAX_VALUE}",
                "Move it to the job's params: these travel as a file.",
            )
    return found


def _tags(given: Mapping[str, str]) -> list[dict[str, str]]:
    """https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices"""
    if len(given) > MAX_TAGS:
        raise mistake("tags", f"{len(given)} tags", f"up to {MAX_TAGS} on AWS, ours among them")
    plain = {_plain(key)[:MAX_KEY]: _plain(value)[:MAX_TAG] for key, value in given.items()}
    return [{"Key": key, "Value": value} for key, value in sorted(plain.items()) if key]


def _plain(text: str) -> str:
    """Letters, digits, spaces and `_.:/=+-@`; the beginning `aws:` is AWS's own."""
    return re.sub(r"^(?i:aws:)", "aws-", re.sub(r"[^\w .:/=+\-@]", "-", text))
