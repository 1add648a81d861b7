"""A review of a production example that shows all there is: each status, a change, unknowns, a quota too small."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from pathlib import Path

from infra import reviewing
from infra.settings import from_file
from policies import SECRET, UNKNOWN, Resource, enforcement
from policies.report.model import Review
from tests.graph.harness import STACKS

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
ADDED = (
    Resource(
        "aws:ec2/instance:Instance", "bastion",
        {"userData": SECRET, "instanceType": "m5.large", "associatePublicIpAddress": True},
    ),
    Resource("aws:s3/bucket:Bucket", "exports", {"acl": "public-read"}),
    Resource("aws:iam/accessKey:AccessKey", "ci-key", {"user": "ci"}),
    Resource("aws:ecr/repository:Repository", "scratch-images", {"imageTagMutability": UNKNOWN}),
    Resource("aws:quantum/machine:Machine", "unheard-of", {}),
)  # fmt: skip
DEMANDS = enforcement.Enforcement.model_validate(
    {
        "version": 1,
        "exemptions": [
            {
                "rule": "addresses-not-public", "resource": "bastion", "owner": "jane@example.com",
                "reason": "The vendor's support needs it until the migration is over.", "expires": "2027-03-31",
            }
        ],
    }
)  # fmt: skip


@functools.cache
def review() -> Review:
    settings = from_file(STACKS / "Pulumi.aws-prod.yaml")
    subject = reviewing.subject_of(settings, Path())
    subject = dataclasses.replace(subject, resources=(*subject.resources, *ADDED), before=subject.resources)
    return reviewing.review_of(settings, subject, now=NOW, demands=DEMANDS)
