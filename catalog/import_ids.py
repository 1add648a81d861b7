"""The ids under which clouds know things, where an id is made of declared names alone.

Each provider states the form on its resource's page, section Import: https://www.pulumi.com/registry/packages/aws/ and
https://www.pulumi.com/registry/packages/kubernetes/. What only the cloud tells (a VPC's id, a key's) is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AWS = {
    "aws:appautoscaling/policy:Policy": "{serviceNamespace}/{resourceId}/{scalableDimension}/{name}",
    "aws:appautoscaling/target:Target": "{serviceNamespace}/{resourceId}/{scalableDimension}",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": "{alarmName}",
    "aws:cloudwatch/dashboard:Dashboard": "{dashboardName}",
    "aws:cloudwatch/eventRule:EventRule": "{name}",
    "aws:cloudwatch/eventTarget:EventTarget": "{rule}/{targetId}",
    "aws:cloudwatch/logGroup:LogGroup": "{name}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "{name}",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "{repository}",
    "aws:ecr/repository:Repository": "{name}",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "{repository}",
    "aws:eks/accessEntry:AccessEntry": "{clusterName}:{principalArn}",
    "aws:eks/addon:Addon": "{clusterName}:{addonName}",
    "aws:eks/cluster:Cluster": "{name}",
    "aws:eks/nodeGroup:NodeGroup": "{clusterName}:{nodeGroupName}",
    "aws:iam/instanceProfile:InstanceProfile": "{name}",
    "aws:iam/role:Role": "{name}",
    "aws:iam/rolePolicy:RolePolicy": "{role}:{name}",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "{role}/{policyArn}",
    "aws:kms/alias:Alias": "{name}",
    "aws:lambda/function:Function": "{name}",
    "aws:lambda/permission:Permission": "{function}/{statementId}",
    "aws:s3/bucket:Bucket": "{bucket}",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "{bucket}",
    "aws:s3/bucketLogging:BucketLogging": "{bucket}",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "{bucket}",
    "aws:s3/bucketPolicy:BucketPolicy": "{bucket}",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "{bucket}",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "{bucket}",
    "aws:s3/bucketVersioning:BucketVersioning": "{bucket}",
    "aws:sagemaker/endpoint:Endpoint": "{name}",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "{name}",
    "aws:sagemaker/model:Model": "{name}",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": "{modelPackageGroupName}",
    "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy": "{modelPackageGroupName}",
}

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes where a value is not known before the update."""


def import_id(token: str, inputs: Mapping[str, Any]) -> str | None:
    """The id of a resource that is declared with these inputs; None where a name is not known yet, or is no id."""
    if token.startswith("kubernetes:"):
        return _kubernetes(token, inputs)
    form = AWS.get(token)
    if form is None:
        return None
    try:
        found = form.format_map(
            {key: value for key, value in inputs.items() if isinstance(value, str) and _is_known(value)}
        )
    except KeyError:
        return None
    return found


def _kubernetes(token: str, inputs: Mapping[str, Any]) -> str | None:
    if token == "kubernetes:helm.sh/v3:Release":
        name, namespace = inputs.get("name"), inputs.get("namespace")
    else:
        metadata = inputs.get("metadata")
        if not isinstance(metadata, Mapping):
            return None
        name, namespace = metadata.get("name"), metadata.get("namespace")
    if not isinstance(name, str) or not _is_known(name):
        return None
    return f"{namespace}/{name}" if isinstance(namespace, str) and _is_known(namespace) else name


def _is_known(value: str) -> bool:
    return bool(value) and value != UNKNOWN
