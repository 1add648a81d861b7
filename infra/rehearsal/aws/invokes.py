"""What programs ask AWS: answers in the form of pulumi-aws's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.rehearsal.core.cloud import Asked, Invoke
from infra.rehearsal.core.judge import Refused
from infra.rehearsal.core.templates import drawn, filled

Answer = Mapping[str, Any]


def _zones(asked: Asked) -> Answer:
    from catalog.zones import zone_count

    region = str(asked.arguments.get("region") or asked.facts["region"])
    letters = "abcdef"[: zone_count("aws", region)]
    first = region.split("-")
    short = first[0] + "".join(part[0] for part in first[1:-1]) + first[-1]
    ids = [f"{short}-az{number}" for number in range(1, len(letters) + 1)]
    zones = [(f"{region}{letter}", id) for letter, id in zip(letters, ids, strict=True)]
    left_out = {*asked.arguments.get("excludeNames", ()), *asked.arguments.get("excludeZoneIds", ())}
    kept = [(name, id) for name, id in zones if name not in left_out and id not in left_out]
    return {
        "id": region,
        "region": region,
        "names": [name for name, _ in kept],
        "zoneIds": [id for _, id in kept],
        "groupNames": [region],
        **{key: value for key, value in asked.arguments.items() if key != "region"},
    }


def _caller(asked: Asked) -> Answer:
    account = asked.facts["account"]
    return {"accountId": account, "arn": f"arn:aws:iam::{account}:user/rehearsal", "id": account,
            "userId": "AIDAREHEARSALREHEARS0"}  # fmt: skip


def _region(asked: Asked) -> Answer:
    region = str(asked.arguments.get("region") or asked.facts["region"])
    return {"id": region, "name": region, "region": region, "description": region,
            "endpoint": f"ec2.{region}.amazonaws.com"}  # fmt: skip


def _partition(asked: Asked) -> Answer:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _parameter(asked: Asked) -> Answer:
    name = str(asked.arguments["name"])
    value = f"ami-{drawn('hex', 17, name)}" if "ami" in name or "image" in name else "1"
    return {
        "id": name,
        "name": name,
        "arn": f"arn:aws:ssm:{asked.facts['region']}::parameter{name}",
        "type": "String",
        "value": value,
        "insecureValue": value,
        "version": 1,
        "region": asked.facts["region"],
    }


def _ami(asked: Asked) -> Answer:
    image = f"ami-{drawn('hex', 17, repr(sorted(asked.arguments.items())))}"
    return {**asked.arguments, "id": image, "imageId": image, "architecture": "x86_64", "name": image,
            "arn": filled("arn:aws:ec2:{region}::image/", asked.facts) + image, "ownerId": "137112412989",
            "rootDeviceName": "/dev/xvda", "rootDeviceType": "ebs", "virtualizationType": "hvm"}  # fmt: skip


def looked_up(token: str, *keys: str) -> Callable[[Asked], Answer]:
    """A data source of what is in the account: the object of type `token` whose `keys` are those asked for."""

    def answer(asked: Asked) -> Answer:
        wanted = {key: asked.arguments[key] for key in keys if asked.arguments.get(key) is not None}
        for id, outputs in asked.find(token):
            if all(outputs.get(key, id if key == "id" else None) == value for key, value in wanted.items()):
                return {**{key: value for key, value in outputs.items() if not key.startswith("__")}, "id": id}
        told = ", ".join(f"{key} {value}" for key, value in wanted.items())
        raise Refused(f"ResourceNotFoundException: no {token.rsplit(':', 1)[-1]} with {told}")

    return answer


INVOKES: dict[str, Invoke] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:ec2/getAmi:getAmi": _ami,
    "aws:ec2/getVpc:getVpc": looked_up("aws:ec2/vpc:Vpc", "id"),
    "aws:ec2/getSubnet:getSubnet": looked_up("aws:ec2/subnet:Subnet", "id"),
    "aws:kms/getKey:getKey": looked_up("aws:kms/key:Key", "id"),
    "aws:s3/getBucket:getBucket": looked_up("aws:s3/bucket:Bucket", "bucket"),
    "aws:eks/getCluster:getCluster": looked_up("aws:eks/cluster:Cluster", "name"),
}
