"""What AWS would compute, in the right form: ids, ARNs, URLs. A mock that only echoes leaves `x.arn` None."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-west-1"

Inputs = dict[str, Any]


def resource(kind: str, name: str, inputs: Inputs) -> tuple[str, Inputs]:
    """The id, and the inputs with what is computed beside them."""
    token = kind.split(":", 1)[1]
    service, rest = token.split("/", 1) if "/" in token else (token, ":")
    kind_name = rest.split(":")[1]
    own = _name(name, inputs)
    computed = {
        "arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind_name.lower()}/{own}",
        "name": own,
        "tagsAll": inputs.get("tags", {}),
    }
    identifier = own
    if kind_name in _IDS:
        identifier = f"{_IDS[kind_name]}-{_hex(name, 17)}"
        computed["arn"] = f"arn:aws:ec2:{REGION}:{ACCOUNT}:{kind_name.lower()}/{identifier}"
    if kind_name in _MORE:
        computed |= _MORE[kind_name](own, inputs)
    identifier = computed.pop("id", identifier)
    told = {key: value for key, value in computed.items() if inputs.get(key) is None or isinstance(value, dict)}
    return identifier, {**inputs, **told}


def call(token: str, arguments: Inputs) -> Inputs:
    if token.endswith(":getAvailabilityZones"):
        return {"names": [f"{REGION}{letter}" for letter in "abc"], "zoneIds": ["z-az1", "z-az2", "z-az3"]}
    if token.endswith(":getCallerIdentity"):
        return {"accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/tester", "userId": "tester", "id": ACCOUNT}
    return {}


_IDS = {
    "Vpc": "vpc",
    "Subnet": "subnet",
    "InternetGateway": "igw",
    "NatGateway": "nat",
    "Eip": "eipalloc",
    "RouteTable": "rtb",
    "RouteTableAssociation": "rtbassoc",
    "SecurityGroup": "sg",
    "DefaultSecurityGroup": "sg",
    "SecurityGroupIngressRule": "sgr",
    "SecurityGroupEgressRule": "sgr",
    "VpcEndpoint": "vpce",
    "FlowLog": "fl",
    "LaunchTemplate": "lt",
}


def _key(own: str, inputs: Inputs) -> Inputs:
    key = f"{_hex(own, 8)}-0000-4000-8000-{_hex(own, 12)}"
    return {"id": key, "keyId": key, "arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"}


def _repository(own: str, inputs: Inputs) -> Inputs:
    return {
        "arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{own}",
        "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{own}",
        "registryId": ACCOUNT,
    }


def _by_arn(arn: str) -> Inputs:
    return {"arn": arn, "id": arn}


def _queue(own: str) -> Inputs:
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{own}"
    return {"arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{own}", "url": url, "id": url}


def _cluster(own: str, inputs: Inputs) -> Inputs:
    config = {**(inputs.get("vpcConfig") or {}), "clusterSecurityGroupId": f"sg-{_hex(own, 17)}"}
    return {
        "arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{own}",
        "endpoint": f"https://{_hex(own, 32).upper()}.gr7.{REGION}.eks.amazonaws.com",
        "certificateAuthority": {"data": "Y2VydGlmaWNhdGU="},
        "vpcConfig": config,
    }


_MORE: dict[str, Callable[[str, Inputs], Inputs]] = {
    "Role": lambda own, _: {"arn": f"arn:aws:iam::{ACCOUNT}:role/{own}", "uniqueId": f"AROA{_hex(own, 17).upper()}"},
    "Policy": lambda own, _: _by_arn(f"arn:aws:iam::{ACCOUNT}:policy/{own}"),
    "Bucket": lambda own, _: {"arn": f"arn:aws:s3:::{own}", "bucket": own},
    "Key": _key,
    "Repository": _repository,
    "Cluster": _cluster,
    "MetricAlarm": lambda own, _: {"arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{own}"},
    "CompositeAlarm": lambda own, inputs: {
        "arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{inputs['alarmName']}", "id": inputs["alarmName"],
    },
    "Dashboard": lambda own, inputs: {"id": inputs["dashboardName"]},
    "Function": lambda own, _: {"arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{own}"},
    "Budget": lambda own, _: {"arn": f"arn:aws:budgets::{ACCOUNT}:budget/{own}", "id": f"{ACCOUNT}:{own}"},
    "AnomalyMonitor": lambda own, _: _by_arn(
        f"arn:aws:ce::{ACCOUNT}:anomalymonitor/{_hex(own, 8)}-0000-4000-8000-{_hex(own, 12)}"
    ),
    "LaunchTemplate": lambda own, _: {"latestVersion": 1},
    "LogGroup": lambda own, _: {"arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{own}"},
    "Topic": lambda own, _: _by_arn(f"arn:aws:sns:{REGION}:{ACCOUNT}:{own}"),
    "Queue": lambda own, _: _queue(own),
    "EventRule": lambda own, _: {"arn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{own}"},
    "ModelPackageGroup": lambda own, _: {"arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/{own}"},
    "MlflowTrackingServer": lambda own, _: {
        "arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/{own}",
        "trackingServerUrl": f"https://t-{_hex(own, 12)}.{REGION}.experiments.sagemaker.aws",
    },
}  # fmt: skip
"""What is not `arn:aws:<service>:<region>:<account>:<kind>/<name>`; `id` where it is not the name."""

_NAMED = ("bucket", "name", "modelPackageGroupName", "trackingServerName", "roleName")


def _name(logical: str, inputs: Inputs) -> str:
    return next((str(inputs[key]) for key in _NAMED if inputs.get(key)), f"{logical}-{_hex(logical, 7)}")


def _hex(seed: str, digits: int) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:digits]
