"""The actor on AWS: a Lambda function that reads the stack's budget and holds training and endpoints.

It runs at every notice of the stack's topic and once an hour, with these variables: SKYWRIGHT_STACK; SKYWRIGHT_ACCOUNT;
SKYWRIGHT_BUDGET, the name of the AWS budget; SKYWRIGHT_LIMIT_USD; SKYWRIGHT_STEPS, as `actor.look` takes them;
SKYWRIGHT_STATE, "bucket/key"; SKYWRIGHT_DENY_POLICY, the ARN of the policy that denies new training, and
SKYWRIGHT_DENIED_ROLES, the names of the roles it is attached to, as JSON; SKYWRIGHT_JOB_PREFIX, the beginning of the
stack's job names; SKYWRIGHT_ENDPOINT, and SKYWRIGHT_SCALABLE, [[variant, least, most], ...] as declared.

An act is taken back only where the state says that it stood: what people have set is left as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ml_jobs.budget import actor

NAMESPACE, METRIC = "Skywright", "SpendRatio"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
LEAST_INSTANCES = 1
"""SageMaker keeps one instance of a variant whatever is asked."""

Clients = Callable[[str], Any]
"""A service's name -> its client, as boto3 has it."""


class AwsHands:
    """IAM's attachments, SageMaker's stop, the bounds of autoscaling, and the state in the artifact store."""

    def __init__(
        self,
        clients: Clients,
        *,
        state: str,
        deny_policy: str,
        denied_roles: list[str],
        job_prefix: str,
        endpoint: str,
        scalable: list[tuple[str, int, int]],
    ) -> None:
        self._clients = clients
        self._bucket, self._key = state.split("/", 1)
        self._deny_policy, self._denied_roles = deny_policy, denied_roles
        self._job_prefix = job_prefix
        self._endpoint, self._scalable = endpoint, scalable
        self._stood: frozenset[str] = frozenset()

    def load(self) -> Mapping[str, Any] | None:
        s3 = self._clients("s3")
        try:
            text = s3.get_object(Bucket=self._bucket, Key=self._key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
        state: Mapping[str, Any] = json.loads(text)
        self._stood = frozenset(state.get("effects", ()))
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        body = json.dumps(state, sort_keys=True).encode()
        self._clients("s3").put_object(Bucket=self._bucket, Key=self._key, Body=body, ContentType="application/json")

    def block_new(self, is_held: bool) -> None:
        """The budget's own action attaches the same policy; whichever comes first, the other finds it there."""
        if not is_held and "block_new" not in self._stood:
            return
        iam = self._clients("iam")
        for role in self._denied_roles:
            if is_held:
                iam.attach_role_policy(RoleName=role, PolicyArn=self._deny_policy)
            else:
                with contextlib.suppress(iam.exceptions.NoSuchEntityException):
                    iam.detach_role_policy(RoleName=role, PolicyArn=self._deny_policy)

    def stop_spot(self, is_held: bool) -> None:
        """A stopped job has two minutes for a checkpoint. Nothing starts it again but who submitted it."""
        if is_held:
            sagemaker = self._clients("sagemaker")
            for name in self._running(sagemaker):
                if sagemaker.describe_training_job(TrainingJobName=name).get("EnableManagedSpotTraining"):
                    sagemaker.stop_training_job(TrainingJobName=name)

    def scale_to_zero(self, is_held: bool) -> None:
        """To the least that SageMaker keeps: autoscaling moves a variant into its bounds at once."""
        if not is_held and "scale_to_zero" not in self._stood:
            return
        for variant, least, most in self._scalable:
            bounds = (LEAST_INSTANCES, LEAST_INSTANCES) if is_held else (least, most)
            self._clients("application-autoscaling").register_scalable_target(
                ServiceNamespace="sagemaker",
                ResourceId=f"endpoint/{self._endpoint}/variant/{variant}",
                ScalableDimension=DIMENSION,
                MinCapacity=bounds[0],
                MaxCapacity=bounds[1],
            )

    def _running(self, sagemaker: Any) -> Iterator[str]:
        pages = sagemaker.get_paginator("list_training_jobs")
        for page in pages.paginate(StatusEquals="InProgress", NameContains=self._job_prefix):
            for job in page["TrainingJobSummaries"]:
                if job["TrainingJobName"].startswith(f"{self._job_prefix}-"):
                    yield job["TrainingJobName"]


def spent_usd(clients: Clients, account: str, budget: str) -> Decimal:
    """The month's spend as AWS Budgets has it, some hours late."""
    found = clients("budgets").describe_budget(AccountId=account, BudgetName=budget)["Budget"]
    return Decimal(found["CalculatedSpend"]["ActualSpend"]["Amount"])


def run(environ: Mapping[str, str], *, clients: Clients, now: float) -> dict[str, Any]:
    """One look; gives back the state that was saved. The share that is spent becomes a metric before any act."""
    limit = float(environ["SKYWRIGHT_LIMIT_USD"])
    spent = spent_usd(clients, environ["SKYWRIGHT_ACCOUNT"], environ["SKYWRIGHT_BUDGET"])
    clients("cloudwatch").put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": METRIC,
                "Dimensions": [{"Name": "Stack", "Value": environ["SKYWRIGHT_STACK"]}],
                "Value": float(spent) / limit,
                "Unit": "None",
            }
        ],
    )
    hands = AwsHands(
        clients,
        state=environ["SKYWRIGHT_STATE"],
        deny_policy=environ["SKYWRIGHT_DENY_POLICY"],
        denied_roles=json.loads(environ["SKYWRIGHT_DENIED_ROLES"]),
        job_prefix=environ["SKYWRIGHT_JOB_PREFIX"],
        endpoint=environ.get("SKYWRIGHT_ENDPOINT", ""),
        scalable=[(name, least, most) for name, least, most in json.loads(environ.get("SKYWRIGHT_SCALABLE", "[]"))],
    )
    return actor.look(hands, spent_usd=spent, limit_usd=limit, steps=json.loads(environ["SKYWRIGHT_STEPS"]), now=now)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """What Lambda calls. The event is not read: the budget itself says what is spent."""
    import boto3  # type: ignore[import-not-found, import-untyped, unused-ignore]  # the function's runtime brings it

    state = run(os.environ, clients=boto3.client, now=time.time())
    sys.stdout.write(json.dumps(state, sort_keys=True) + "\n")
    return state
