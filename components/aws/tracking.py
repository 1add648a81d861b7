"""SageMaker's MLflow server, where the stack asks for one."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws import names
from components.aws.bucket_policies import adds, reads, uses_key
from components.aws.iam import Document, allow, trusts_service
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsStorage
from components.aws.roles import declare_role, grant
from components.contract import Component

FOLDER = "mlflow"
"""Of the artifact store: what runs log."""

READ = tuple(
    f"sagemaker-mlflow:{action}"
    for action in (
        "AccessUI", "GetExperiment", "GetExperimentByName", "GetLatestModelVersions", "GetMetricHistory",
        "GetModelVersion", "GetModelVersionByAlias", "GetRegisteredModel", "GetRun", "ListArtifacts",
        "SearchExperiments", "SearchModelVersions", "SearchRegisteredModels", "SearchRuns",
    )
)  # fmt: skip
LOG = tuple(
    f"sagemaker-mlflow:{action}"
    for action in (
        "CreateExperiment", "CreateModelVersion", "CreateRegisteredModel", "CreateRun", "LogBatch", "LogInputs",
        "LogMetric", "LogModel", "LogParam", "SetExperimentTag", "SetModelVersionTag", "SetRegisteredModelTag",
        "SetTag", "UpdateRun",
    )
)  # fmt: skip
"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerwithmlflow.html"""


def declare_tracking_server(
    owner: Component[Any, Any], size: str, *, network: AwsNetwork, identity: AwsIdentity, storage: AwsStorage
) -> aws.sagemaker.MlflowTrackingServer:
    """A server of that size, its role, and who may log to it and read."""
    role = declare_role(
        owner,
        "tracking",
        trust=lambda account: [trusts_service("sagemaker.amazonaws.com", account)],
        account_id=network.account_id,
        description="The MLflow server: what runs log",
    )
    artifacts = storage.bucket_arns["artifacts"]
    stored = grant(owner, "tracking", "tracking", role.name, _stores, artifacts, storage.key_ref)
    server = aws.sagemaker.MlflowTrackingServer(
        owner.child_name("tracking"),
        tracking_server_name=owner.ctx.name(names.SAGEMAKER, "tracking"),
        tracking_server_size=size.title(),
        artifact_store_uri=storage.artifacts_url.apply(lambda url: f"{url}/{FOLDER}"),
        automatic_model_registration=False,  # versions are registered by the pipeline, with their lineage
        role_arn=role.arn,
        tags=owner.tags(),
        opts=owner.child(depends_on=[stored], protect=owner.ctx.is_production, delete_before_replace=True),
    )
    for use, actions in {"training": [*READ, *LOG], "pipeline": [*READ, *LOG], "viewer": READ}.items():

        def write(arn: str, actions: Any = actions) -> list[Document]:
            return [allow("Track", actions, arn)]

        grant(owner, use, "tracking", identity.role_names[use], write, server.arn)
    return server


def url_of(server: aws.sagemaker.MlflowTrackingServer | None) -> pulumi.Output[str]:
    return server.tracking_server_url if server else pulumi.Output.from_input("")


def _stores(artifacts_arn: str, key_arn: str) -> list[Document]:
    return [
        *reads("Artifacts", artifacts_arn),
        *adds("Runs", artifacts_arn, FOLDER),
        *uses_key(key_arn, can_write=True),
    ]
