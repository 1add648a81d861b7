"""IAM's policy documents, which stand in properties as JSON.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.graph import Node
from policies.resources import SECRET, UNKNOWN, Malformed, Props, UnknownValue

AT_RESOURCES = {
    "aws:cloudwatch/eventBusPolicy:EventBusPolicy": "policy",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
    "aws:dynamodb/resourcePolicy:ResourcePolicy": "policy",
    "aws:ecr/registryPolicy:RegistryPolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:efs/fileSystemPolicy:FileSystemPolicy": "policy",
    "aws:kms/key:Key": "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
    "aws:lambda/resourcePolicy:ResourcePolicy": "policy",
    "aws:s3/accessPoint:AccessPoint": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy": "resourcePolicy",
    "aws:secretsmanager/secret:Secret": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:sns/topic:Topic": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:sqs/queue:Queue": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
}
"""Type -> where the policy of a resource stands, which names principals."""


@dataclass(frozen=True)
class Statement:
    """`principals`: kind (`AWS`, `Service`, `Federated`, `*`) and name. `conditions`: operator, key, values."""

    path: str
    is_allowed: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    negated: tuple[str, ...]
    """Which of NotAction, NotResource and NotPrincipal it has."""


def statements(props: Props, key: str) -> list[Statement]:
    """Those of the document at `key`; none where there is no document. Raises Malformed, UnknownValue."""
    path = props.at(key)
    # A document that stands as a mapping is judged by its plain data.
    given = _known(props.resource.props.get(key), path) if isinstance(props, Node) else props.get(key)
    if given is None:
        return []
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise Malformed(path, given, "a policy's JSON") from None
    if not isinstance(given, Mapping):
        raise Malformed(path, given, "a policy document")
    found = given.get("Statement")
    items = [found] if isinstance(found, Mapping) else found
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise Malformed(f"{path}.Statement", found, "a list of statements")
    return [_statement(item, f"{path}.Statement[{index}]") for index, item in enumerate(items)]


def _statement(item: Any, path: str) -> Statement:
    if not isinstance(item, Mapping):
        raise Malformed(path, item, "a statement")
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise Malformed(f"{path}.Effect", effect, "Allow or Deny")
    return Statement(
        path=path,
        is_allowed=effect == "Allow",
        actions=tuple(_texts(item.get("Action"), f"{path}.Action")),
        resources=tuple(_texts(item.get("Resource"), f"{path}.Resource")),
        principals=tuple(_principals(item.get("Principal"), f"{path}.Principal")),
        conditions=tuple(_conditions(item.get("Condition"), f"{path}.Condition")),
        negated=tuple(name for name in ("NotAction", "NotResource", "NotPrincipal") if item.get(name) is not None),
    )


def _principals(given: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(given, Mapping):
        for kind, names in given.items():
            for name in _texts(names, f"{path}.{kind}"):
                yield str(kind), name
    else:
        yield from (("*", name) for name in _texts(given, path))


def _conditions(given: Any, path: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for operator, tests in _entries(given, path):
        for key, values in _entries(tests, f"{path}.{operator}"):
            yield operator, key, tuple(_texts(values, f"{path}.{operator}.{key}"))


def _entries(given: Any, path: str) -> list[tuple[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise Malformed(path, given, "a mapping")
    return [(str(key), value) for key, value in given.items()]


def _texts(given: Any, path: str) -> list[str]:
    """One value or several."""
    values = [] if given is None else given if isinstance(given, list | tuple) else [given]
    for value in values:
        if not isinstance(value, str | bool | int | float):
            raise Malformed(path, value, "a text")
    return [str(value) for value in values]


def _known(value: Any, path: str) -> Any:
    if value is UNKNOWN:
        raise UnknownValue(path)
    if value is SECRET:
        raise UnknownValue(path, "is secret")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _known(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _known(item, f"{path}[{index}]")
    return value
