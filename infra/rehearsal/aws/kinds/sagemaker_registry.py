"""Model versions and the MLflow server."""

from __future__ import annotations

from infra.rehearsal.aws.documents import resource
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls

GROUP = "aws:sagemaker/modelPackageGroup:ModelPackageGroup"

KINDS: tuple[Kind, ...] = (
    Kind(
        GROUP,
        judge=Calls("botocore sagemaker", operation("sagemaker", "CreateModelPackageGroup")),
        id="{modelPackageGroupName}",
        outputs={"arn": "arn:aws:sagemaker:{region}:{account}:model-package-group/{modelPackageGroupName}"},
        unique=(
            Unique(
                ("modelPackageGroupName",),
                "ValidationException: Model Package Group already exists: {modelPackageGroupName}",
            ),
        ),
        immutable=frozenset({"modelPackageGroupName", "modelPackageGroupDescription"}),
        autoname=Autoname("modelPackageGroupName", max_length=63),
    ),
    Kind(
        "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy",
        judge=Calls("botocore sagemaker", operation("sagemaker", "PutModelPackageGroupPolicy")),
        id="{modelPackageGroupName}",
        references={"modelPackageGroupName": Ref(GROUP, holds=True)},
        unique=(
            Unique(("modelPackageGroupName",), "{modelPackageGroupName} has a policy already, declared elsewhere"),
        ),
        rules=(resource("resourcePolicy"),),
        immutable=frozenset({"modelPackageGroupName"}),
        is_replaced_after_delete=True,
    ),
    Kind(
        "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer",
        judge=Calls("botocore sagemaker", operation("sagemaker", "CreateMlflowTrackingServer")),
        id="{trackingServerName}",
        outputs={
            "arn": "arn:aws:sagemaker:{region}:{account}:mlflow-tracking-server/{trackingServerName}",
            "trackingServerUrl": "https://t-{letters:12}.{region}.experiments.sagemaker.aws",
            "mlflowVersion": "3.0",
        },
        defaults={"trackingServerSize": "Small", "automaticModelRegistration": False},
        references={
            "roleArn": Ref("aws:iam/role:Role"),
            "artifactStoreUri": Ref("aws:s3/bucket:Bucket", by=("bucket",)),
        },
        unique=(
            Unique(
                ("trackingServerName",),
                "ConflictException: Tracking Server with name {trackingServerName} already exists",
            ),
        ),
        immutable=frozenset({"trackingServerName", "roleArn"}),
    ),
)
