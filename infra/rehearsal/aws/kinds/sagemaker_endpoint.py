"""SageMaker's endpoint configurations."""

from __future__ import annotations

from infra.rehearsal.aws.kinds.kms import KEY
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls

MODEL = Ref("aws:sagemaker/model:Model", by=("arn", "name"))

KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        judge=Calls(
            "botocore sagemaker",
            operation("sagemaker", "CreateEndpointConfig", {"name": "EndpointConfigName", "kmsKeyArn": "KmsKeyId"}),
        ),
        id="{name}",
        outputs={"arn": "arn:{partition}:sagemaker:{region}:{account}:endpoint-config/{name}"},
        references={
            "productionVariants.modelName": MODEL,
            "shadowProductionVariants.modelName": MODEL,
            "kmsKeyArn": KEY,
        },
        unique=(
            Unique(("name",), "ValidationException: Cannot create already existing endpoint configuration {value}"),
        ),
        immutable=frozenset({"*"}),
        autoname=Autoname("name", max_length=63),
    ),
)
