"""The function that carries out the budget's steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

import ml_jobs.contract
from components.aws import names
from components.aws.actor_policies import attaches, bounds_endpoint, looks, stops_jobs
from components.aws.endpoint import AwsEndpointOutputs
from components.aws.iam import Document, trusts_service
from components.aws.logs import declare_log_group
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsStorage
from components.aws.roles import declare_role, grant
from components.contract import Component, EndpointOutputs
from components.specs import BudgetSpec

FILES = ("__init__.py", "budget/__init__.py", "budget/ladder.py", "budget/actor.py", "budget/aws.py")
"""Of ml_jobs: all that the function imports beside what Lambda brings."""
RUNTIME, HANDLER = "python3.13", "ml_jobs.budget.aws.handler"
TIMEOUT_S, MEMORY_MB = 120, 256
SCHEDULE = "rate(30 minutes)"
"""AWS Budgets itself learns of new spend a few times a day."""
KEPT_S = 1_209_600
"""Two weeks, the longest that SQS keeps a message."""
STATE_KEY = "skywright/budget/state.json"
"""In the artifact store."""


def declare_actor(
    owner: Component[Any, Any],
    spec: BudgetSpec,
    *,
    budget: str,
    deny_policy: pulumi.Output[str] | None,
    denied: tuple[str, ...],
    notices_arn: pulumi.Output[str],
    network: AwsNetwork,
    identity: AwsIdentity,
    storage: AwsStorage,
    endpoint: EndpointOutputs,
) -> aws.lambda_.Function:
    """`denied`: the uses of the roles that `deny_policy` is attached to; none where no step blocks."""
    name = owner.ctx.name(names.FUNCTION, "budget")
    logs = declare_log_group(owner, "actor", f"/aws/lambda/{name}", network.logs_key_arn)
    letters = aws.sqs.Queue(
        owner.child_name("actor-failures"),
        name=owner.ctx.name(names.QUEUE, "budget-failures"),
        message_retention_seconds=KEPT_S,
        sqs_managed_sse_enabled=True,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
    role = declare_role(
        owner,
        "budget",
        trust=lambda account: [trusts_service("lambda.amazonaws.com", account)],
        account_id=network.account_id,
        description="The budget's function: carries out the steps",
    )
    served = endpoint if isinstance(endpoint, AwsEndpointOutputs) else None
    granted = _grants(owner, role, budget, letters, logs, deny_policy, denied, network, identity, storage, served)
    function = aws.lambda_.Function(
        owner.child_name("actor"),
        name=name,
        description=f"Carries out the budget's steps of {owner.ctx.project} {owner.ctx.stack}",
        role=role.arn,
        runtime=RUNTIME,
        architectures=["arm64"],
        handler=HANDLER,
        code=archive(),
        timeout=TIMEOUT_S,
        memory_size=MEMORY_MB,
        environment=aws.lambda_.FunctionEnvironmentArgs(
            variables={
                "SKYWRIGHT_STACK": owner.ctx.stack,
                "SKYWRIGHT_ACCOUNT": network.account_id,
                "SKYWRIGHT_BUDGET": budget,
                "SKYWRIGHT_LIMIT_USD": repr(float(spec.monthly_limit_usd)),
                "SKYWRIGHT_STEPS": json.dumps([step.model_dump(mode="json") for step in spec.steps]),
                "SKYWRIGHT_STATE": storage.bucket_names["artifacts"].apply(lambda bucket: f"{bucket}/{STATE_KEY}"),
                "SKYWRIGHT_DENY_POLICY": deny_policy or "",
                "SKYWRIGHT_DENIED_ROLES": pulumi.Output.all(*(identity.role_names[use] for use in denied)).apply(
                    json.dumps
                ),
                "SKYWRIGHT_JOB_PREFIX": owner.ctx.name(names.SAGEMAKER_JOB),
                "SKYWRIGHT_ENDPOINT": served.endpoint_name if served else "",
                "SKYWRIGHT_SCALABLE": json.dumps(served.scalable if served else ()),
            }
        ),
        dead_letter_config=aws.lambda_.FunctionDeadLetterConfigArgs(target_arn=letters.arn),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
        tags=owner.tags(),
        opts=owner.child(depends_on=granted, delete_before_replace=True),
    )
    _triggers(owner, function, notices_arn)
    _alarm(owner, function, notices_arn)
    return function


def archive() -> pulumi.AssetArchive:
    """The actor's code under the paths it is imported by. As text: a file's own path is the machine's."""
    home = Path(ml_jobs.contract.__file__).parent
    return pulumi.AssetArchive({f"ml_jobs/{name}": pulumi.StringAsset((home / name).read_text()) for name in FILES})


def _grants(
    owner: Component[Any, Any],
    role: aws.iam.Role,
    budget: str,
    letters: aws.sqs.Queue,
    logs: aws.cloudwatch.LogGroup,
    deny_policy: pulumi.Output[str] | None,
    denied: tuple[str, ...],
    network: AwsNetwork,
    identity: AwsIdentity,
    storage: AwsStorage,
    served: AwsEndpointOutputs | None,
) -> list[pulumi.Resource]:
    region = str(owner.ctx.region)
    prefix = owner.ctx.name(names.SAGEMAKER_JOB)

    def look(account: str, bucket: str, key: str, queue: str, group: str) -> list[Document]:
        return looks(
            account=account,
            budget=budget,
            bucket_arn=bucket,
            state_key=STATE_KEY,
            key_arn=key,
            queue_arn=queue,
            group_arn=group,
        )

    def act(account: str, deny_arn: str, *role_arns: str) -> list[Document]:
        return [
            *stops_jobs(account, region, prefix),
            *(attaches(role_arns, deny_arn) if role_arns else []),
            *(bounds_endpoint(account, region, served.endpoint_name) if served and served.scalable else []),
        ]

    return [
        grant(
            owner, "budget", "look", role.name, look,
            network.account_id, storage.bucket_arns["artifacts"], storage.key_ref, letters.arn, logs.arn,
        ),
        grant(
            owner, "budget", "act", role.name, act,
            network.account_id, deny_policy or "", *(identity.role_arns[use] for use in denied),
        ),
    ]  # fmt: skip


def _triggers(owner: Component[Any, Any], function: aws.lambda_.Function, notices_arn: pulumi.Output[str]) -> None:
    """Every notice of the stack, and a clock: a notice can be lost, and a new month sends none."""
    rule = aws.cloudwatch.EventRule(
        owner.child_name("schedule"),
        name=owner.ctx.name(names.EVENT_RULE, "budget"),
        description="The budget is looked at",
        schedule_expression=SCHEDULE,
        state="ENABLED",
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
    allowed = {
        use: aws.lambda_.Permission(
            owner.child_name(f"actor-on-{use}"),
            statement_id=use,
            function=function.name,
            action="lambda:InvokeFunction",
            principal=principal,
            source_arn=source,
            opts=owner.child(delete_before_replace=True),
        )
        for use, principal, source in (
            ("notices", "sns.amazonaws.com", notices_arn),
            ("schedule", "events.amazonaws.com", rule.arn),
        )
    }
    aws.sns.TopicSubscription(
        owner.child_name("actor-notices"),
        topic=notices_arn,
        protocol="lambda",
        endpoint=function.arn,
        opts=owner.child(depends_on=[allowed["notices"]]),
    )
    aws.cloudwatch.EventTarget(
        owner.child_name("schedule-target"),
        rule=rule.name,
        target_id="actor",
        arn=function.arn,
        opts=owner.child(depends_on=[allowed["schedule"]]),
    )


def _alarm(owner: Component[Any, Any], function: aws.lambda_.Function, notices_arn: pulumi.Output[str]) -> None:
    """A budget that nobody carries out must not stay silent."""
    aws.cloudwatch.MetricAlarm(
        owner.child_name("actor-alarm"),
        name=owner.ctx.name(names.ALARM, "budget-actor"),
        alarm_description="The budget's function fails: no step is carried out",
        namespace="AWS/Lambda",
        metric_name="Errors",
        dimensions={"FunctionName": function.name},
        statistic="Sum",
        period=3_600,
        evaluation_periods=1,
        comparison_operator="GreaterThanThreshold",
        threshold=0,
        treat_missing_data="notBreaching",
        alarm_actions=[notices_arn],
        ok_actions=[notices_arn],
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
