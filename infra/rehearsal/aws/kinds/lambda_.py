"""Functions and who may call them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

CREATE = "https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"
QUOTAS = "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
VARIABLES = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
RESERVED = re.compile(
    r"AWS_(REGION|DEFAULT_REGION|ACCESS_KEY.*|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_.*)"
)
LONGEST_S, MOST_MIB, MOST_BYTES, NAME = 900, 10_240, 4_096, 64
FUNCTION = "aws:lambda/function:Function"
ARN = "arn:{partition}:lambda:{region}:{account}:function:{name}"


def _function(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    is_image = inputs.get("packageType") == "Image"
    for key in ("runtime", "handler"):
        if not is_image and inputs.get(key) is None:
            yield (
                key,
                f"InvalidParameterValueException: {key} is mandatory for functions created with deployment packages",
            )
    if sum(inputs.get(key) is not None for key in ("code", "imageUri", "s3Bucket")) != 1:
        yield "code", "InvalidParameterValueException: exactly one of code, imageUri and s3Bucket must be given"


def _limits(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The model has wider bounds, of functions on instances of one's own."""
    for path, most in (("timeout", LONGEST_S), ("memorySize", MOST_MIB)):
        value = inputs.get(path)
        if isinstance(value, int | float) and value > most:
            yield path, f"InvalidParameterValueException: {path} is {value:g}; at most {most}"
    if len(str(inputs.get("name", "")).rsplit(":", 1)[-1]) > NAME:
        yield "name", f"InvalidParameterValueException: the function's name is longer than {NAME} characters"


def _variables(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    variables = (inputs.get("environment") or {}).get("variables") or {}
    for key in variables:
        if not re.fullmatch(r"[a-zA-Z]\w+", key) or RESERVED.fullmatch(key):
            yield "environment.variables", f"InvalidParameterValueException: the variable {key} is not allowed"
    size = sum(len(key) + len(str(value)) for key, value in variables.items())
    if size > MOST_BYTES:
        yield (
            "environment.variables",
            f"InvalidParameterValueException: the variables have {size} bytes; at most {MOST_BYTES}",
        )


KINDS: tuple[Kind, ...] = (
    Kind(
        FUNCTION,
        judge=Calls(
            "botocore lambda",
            operation(
                "lambda",
                "CreateFunction",
                {
                    "name": "FunctionName",
                    "code": "Code.ZipFile",
                    "imageUri": "Code.ImageUri",
                    "s3Bucket": "Code.S3Bucket",
                    "s3Key": "Code.S3Key",
                    "s3ObjectVersion": "Code.S3ObjectVersion",
                    "kmsKeyArn": "KMSKeyArn",
                    "environment.variables": "Variables",
                },
                omits=("reservedConcurrentExecutions",),
            ),
            operation(
                "lambda",
                "PutFunctionConcurrency",
                fixed={"FunctionName": "{name}"},
                when="reservedConcurrentExecutions",
                takes=("reservedConcurrentExecutions",),
            ),
            local={
                "sourceCodeHash": "the provider's own: a change of it means new code",
                "skipDestroy": "the provider's own",
                "replaceSecurityGroupsOnDestroy": "the provider's own: what it does before it deletes the function",
            },
        ),
        id="{name}",
        outputs={
            "arn": ARN,
            "qualifiedArn": f"{ARN}:$LATEST",
            "invokeArn": "arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations",
            "qualifiedInvokeArn": "{invokeArn}",
            "version": "$LATEST",
            "lastModified": "2026-01-31T12:00:00.000+0000",
        },
        defaults={"memorySize": 128, "timeout": 3, "packageType": "Zip", "architectures": ["x86_64"]},
        references={
            "role": Ref("aws:iam/role:Role", by=("arn",)),
            "deadLetterConfig.targetArn": Ref(("aws:sqs/queue:Queue", "aws:sns/topic:Topic"), by=("arn",)),
            "loggingConfig.logGroup": Ref("aws:cloudwatch/logGroup:LogGroup", by=("name",)),
            "kmsKeyArn": Ref("aws:kms/key:Key", by=("arn",)),
        },
        rules=(
            Rule(CREATE, _function),
            Rule(QUOTAS, _limits),
            Rule(VARIABLES, _variables, needs=("environment.variables",)),
        ),
        unique=(Unique(("name",), "ResourceConflictException: Function already exist: {value}"),),
        immutable=frozenset({"name", "packageType", "region"}),
        autoname=Autoname("name", max_length=64),
    ),
    Kind(
        "aws:lambda/permission:Permission",
        judge=Calls("botocore lambda", operation("lambda", "AddPermission", {"function": "FunctionName"})),
        id="{statementId}",
        references={
            "function": Ref(FUNCTION, by=("arn", "name"), holds=True),
            "sourceArn": Ref(("aws:sns/topic:Topic", "aws:cloudwatch/eventRule:EventRule"), by=("arn",)),
        },
        unique=(
            Unique(
                ("function", "statementId"),
                "ResourceConflictException: The statement id ({statementId}) provided already exists",
            ),
        ),
        immutable=frozenset({"*"}),
        autoname=Autoname("statementId", max_length=100, prefix_input="statementIdPrefix"),
    ),
)
