"""Launch templates."""

from __future__ import annotations

from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.aws.networks import tags_of
from infra.rehearsal.core.fit import Local, To
from infra.rehearsal.core.kinds import Autoname, Kind, Unique
from infra.rehearsal.core.operations import Calls

_DATA = (
    "imageId", "instanceType", "keyName", "userData", "ebsOptimized", "disableApiTermination", "disableApiStop",
    "kernelId", "ramDiskId", "instanceInitiatedShutdownBehavior",
)  # fmt: skip


def _flag(value: Any) -> Any:
    """The provider's booleans of EBS are texts."""
    return {"true": True, "false": False}.get(str(value).lower(), value)


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:ec2/launchTemplate:LaunchTemplate",
        judge=Calls(
            "botocore ec2",
            operation(
                "ec2",
                "CreateLaunchTemplate",
                {
                    **tags_of("launch-template"),
                    "name": "LaunchTemplateName",
                    "description": "VersionDescription",
                    "metadataOptions": "LaunchTemplateData.MetadataOptions",
                    "monitoring": "LaunchTemplateData.Monitoring",
                    "placement": "LaunchTemplateData.Placement",
                    "iamInstanceProfile": "LaunchTemplateData.IamInstanceProfile",
                    "instanceMarketOptions": "LaunchTemplateData.InstanceMarketOptions",
                    "networkInterfaces": "LaunchTemplateData.NetworkInterfaces",
                    "vpcSecurityGroupIds": "LaunchTemplateData.SecurityGroupIds",
                    "blockDeviceMappings": "LaunchTemplateData.BlockDeviceMappings",
                    "blockDeviceMappings.ebs.encrypted": To("Encrypted", by=_flag),
                    "blockDeviceMappings.ebs.deleteOnTermination": To("DeleteOnTermination", by=_flag),
                    "tagSpecifications": "LaunchTemplateData.TagSpecifications",
                    **{name: f"LaunchTemplateData.{name[0].upper()}{name[1:]}" for name in _DATA},
                    "updateDefaultVersion": Local("a later request: ModifyLaunchTemplate, once there are two versions"),
                },
            ),
        ),
        id="lt-{hex:17}",
        outputs={
            "arn": "arn:{partition}:ec2:{region}:{account}:launch-template/{id}",
            "latestVersion": 1,
            "defaultVersion": 1,
        },
        unique=(Unique(("name",), "InvalidLaunchTemplateName.AlreadyExistsException: {name} is in use"),),
        immutable=frozenset({"name", "namePrefix"}),
        autoname=Autoname("name", max_length=128),
    ),
)
