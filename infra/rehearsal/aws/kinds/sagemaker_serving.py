"""SageMaker's models and endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.kinds.ec2_network import SUBNET
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

ROLE = Ref("aws:iam/role:Role", by=("arn",))
GROUP = Ref("aws:ec2/securityGroup:SecurityGroup", holds=True)
CONFIGURATION = Ref("aws:sagemaker/endpointConfiguration:EndpointConfiguration", by=("name",))
ALARM = Ref("aws:cloudwatch/metricAlarm:MetricAlarm", by=("name",))
REPOSITORY = Ref("aws:ecr/repository:Repository", by=("repositoryUrl", "name"), skips=r".*\.dkr\.ecr\..*")

MODELS = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModel.html"
GUARDRAILS = "https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-canary.html"


def _one_source(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    container = inputs["primaryContainer"]
    if container.get("modelDataUrl") and container.get("modelDataSource"):
        yield "primaryContainer", "ValidationException: ModelDataUrl and ModelDataSource cannot both be given"
    if not container.get("image") and not container.get("modelPackageName"):
        yield "primaryContainer.image", "ValidationException: either Image or ModelPackageName must be given"


def _sources(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in inputs["primaryContainer"]["modelDataSource"].get("s3DataSources", ()):
        uri, kind = str(source.get("s3Uri", "")), source.get("s3DataType")
        if kind == "S3Prefix" and not uri.endswith("/"):
            yield (
                "primaryContainer.modelDataSource.s3DataSources.s3Uri",
                f"ValidationException: an S3Prefix must end in a slash, not {uri}",
            )
        if kind == "S3Object" and source.get("compressionType") == "Gzip" and not uri.endswith(".tar.gz"):
            yield (
                "primaryContainer.modelDataSource.s3DataSources.s3Uri",
                f"ValidationException: a compressed model must be a .tar.gz, not {uri}",
            )


def _one_policy(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    config = inputs["deploymentConfig"]
    given = [key for key in ("blueGreenUpdatePolicy", "rollingUpdatePolicy") if config.get(key)]
    if len(given) != 1:
        yield (
            "deploymentConfig",
            "ValidationException: exactly one of BlueGreenUpdatePolicy and RollingUpdatePolicy must be given",
        )


def _canary(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    policy = inputs["deploymentConfig"].get("blueGreenUpdatePolicy") or {}
    routing = policy.get("trafficRoutingConfiguration") or {}
    kind, size = routing.get("type"), routing.get("canarySize")
    at = "deploymentConfig.blueGreenUpdatePolicy.trafficRoutingConfiguration"
    if (kind == "CANARY") != (size is not None):
        yield at, f"ValidationException: CanarySize goes with traffic routing of type CANARY, not {kind}"
    if (kind == "LINEAR") != (routing.get("linearStepSize") is not None):
        yield at, f"ValidationException: LinearStepSize goes with traffic routing of type LINEAR, not {kind}"
    if size and size.get("type") == "CAPACITY_PERCENT" and not 1 <= size.get("value", 0) <= 50:
        yield f"{at}.canarySize.value", "ValidationException: a canary takes at most 50 percent of the capacity"


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:sagemaker/model:Model",
        judge=Calls(
            "botocore sagemaker",
            operation(
                "sagemaker",
                "CreateModel",
                {
                    "name": "ModelName",
                    "primaryContainer.modelDataSource.s3DataSources": "S3DataSource",
                },
            ),
        ),
        outputs={"arn": "arn:{partition}:sagemaker:{region}:{account}:model/{name}"},
        references={
            "executionRoleArn": ROLE,
            "primaryContainer.image": REPOSITORY,
            "vpcConfig.subnets": SUBNET,
            "vpcConfig.securityGroupIds": GROUP,
        },
        unique=(Unique(("name",), 'ValidationException: Cannot create already existing model "{name}"'),),
        rules=(
            Rule(MODELS, _one_source, needs=("primaryContainer.image",)),
            Rule(MODELS, _sources, needs=("primaryContainer.modelDataSource",)),
        ),
        immutable=frozenset({"*"}),
        autoname=Autoname("name", max_length=63),
    ),
    Kind(
        "aws:sagemaker/endpoint:Endpoint",
        judge=Calls(
            "botocore sagemaker",
            operation("sagemaker", "CreateEndpoint", {"name": "EndpointName"}),
        ),
        outputs={"arn": "arn:{partition}:sagemaker:{region}:{account}:endpoint/{name}"},
        references={
            "endpointConfigName": CONFIGURATION,
            "deploymentConfig.autoRollbackConfiguration.alarms.alarmName": ALARM,
        },
        unique=(Unique(("name",), 'ValidationException: Cannot create already existing endpoint "{name}"'),),
        rules=(
            Rule(GUARDRAILS, _one_policy, needs=("deploymentConfig",)),
            Rule(GUARDRAILS, _canary, needs=("deploymentConfig",)),
        ),
        immutable=frozenset({"name"}),
        autoname=Autoname("name", max_length=63),
    ),
)
