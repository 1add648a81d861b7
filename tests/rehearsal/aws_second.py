"""The requests that a stack's AWS resources become, sent to moto: a second implementation of the same APIs.

The stand-in judges a request by botocore's model; moto carries it out, with references and documents that no
model has. Ids that moto draws itself take the place of the stand-in's in whatever is sent afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from moto import mock_aws

from infra.rehearsal.aws.stand_in import CLOUD
from infra.rehearsal.core import outputs
from infra.rehearsal.core.values import UNKNOWN
from policies.resources import Resource

CONFIG: Any = {"iam": {"load_aws_managed_policies": True}, "lambda": {"use_docker": False}}
CREDENTIALS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}

DRAWN = {
    "aws:ec2/eip:Eip": "AllocationId",
    "aws:ec2/internetGateway:InternetGateway": "InternetGateway.InternetGatewayId",
    "aws:ec2/launchTemplate:LaunchTemplate": "LaunchTemplate.LaunchTemplateId",
    "aws:ec2/natGateway:NatGateway": "NatGateway.NatGatewayId",
    "aws:ec2/routeTable:RouteTable": "RouteTable.RouteTableId",
    "aws:ec2/securityGroup:SecurityGroup": "GroupId",
    "aws:ec2/subnet:Subnet": "Subnet.SubnetId",
    "aws:ec2/vpc:Vpc": "Vpc.VpcId",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "VpcEndpoint.VpcEndpointId",
    "aws:kms/key:Key": "KeyMetadata.KeyId",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "SecurityGroups.0.GroupId",
}
"""Where the first request's answer tells the id of what it made or found."""

LATER = frozenset({"kms:ScheduleKeyDeletion"})
"""Requests that carry an input now and are sent when the resource goes."""


@dataclass(frozen=True)
class Answer:
    """`said`: why it was refused; empty where it was accepted. `is_known`: moto has the operation at all."""

    resource: str
    operation: str
    said: str = ""
    is_known: bool = True


def sent(resources: Iterable[Resource], *, region: str) -> list[Answer]:
    """Every request of the AWS resources among these, in the order of their declaration, to an empty account."""
    with mock_aws(config=CONFIG):
        return list(_Account(region).send(resources))


class _Account:
    def __init__(self, region: str) -> None:
        self.region = region
        self.ids: dict[str, str] = {}
        self.clients: dict[str, Any] = {}

    def send(self, resources: Iterable[Resource]) -> Iterator[Answer]:
        for resource in resources:
            kind = CLOUD.kind(resource.type) if resource.type.startswith("aws:") else None
            if kind is None or kind.judge is None:
                continue
            given = dict(resource.props)
            if kind.autoname and not given.get(kind.autoname.input):
                given[kind.autoname.input] = resource.name
            facts = CLOUD.place({"region": self.region}, given)
            declared = CLOUD.own_sdk().declared(resource.type)
            assert declared is not None
            id, made = outputs.made(kind, declared.outputs, given, facts, resource.name)
            requests = kind.judge.judge(given, {**facts, **made, "id": id}).requests
            for index, (operation, request) in enumerate(requests.items()):
                if operation in LATER:
                    continue
                answer, told = self._call(resource.name, operation, request)
                yield answer
                if index == 0 and not answer.said and resource.type in DRAWN:
                    self.ids[id] = _at(told, DRAWN[resource.type])

    def _call(self, name: str, operation: str, request: Mapping[str, Any]) -> tuple[Answer, Mapping[str, Any]]:
        service, _, method = operation.partition(":")
        if service not in self.clients:
            self.clients[service] = boto3.client(service, region_name=self.region, **CREDENTIALS)
        try:
            told = getattr(self.clients[service], xform_name(method))(**self._own(request))
        except NotImplementedError as error:
            return Answer(name, operation, str(error), is_known=False), {}
        except (ClientError, ParamValidationError) as error:
            return Answer(name, operation, str(error), is_known="Not yet implemented" not in str(error)), {}
        return Answer(name, operation), told

    def _own(self, value: Any) -> Any:
        """With moto's ids, and without what only a cloud would know."""
        if isinstance(value, Mapping):
            return {key: self._own(item) for key, item in value.items() if item is not UNKNOWN}
        if isinstance(value, list):
            return [self._own(item) for item in value]
        if isinstance(value, str):
            return reduce(lambda text, pair: text.replace(*pair), self.ids.items(), value)
        return value


def _at(told: Mapping[str, Any], path: str) -> str:
    found: Any = told
    for part in path.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    return str(found)
