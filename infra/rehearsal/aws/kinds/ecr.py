"""Image repositories."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.documents import trust
from infra.rehearsal.aws.kinds.kms import KEY
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE = "https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html"
ENCRYPTION = "https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_EncryptionConfiguration.html"


def _lifecycle(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    def wrong(why: str) -> tuple[str, str]:
        return "policy", f"InvalidParameterException: 'LifecyclePolicyText' failed to satisfy constraint: '{why}'"

    try:
        rules = json.loads(inputs["policy"])["rules"]
    except (ValueError, KeyError, TypeError):
        yield wrong("Lifecycle policy validation failure: it must be JSON with rules")
        return
    priorities = [rule.get("rulePriority") for rule in rules]
    if len(set(priorities)) < len(priorities):
        yield wrong("rulePriority must be unique")
    for rule in rules:
        chosen = rule.get("selection", {})
        status, count = chosen.get("tagStatus"), chosen.get("countType")
        if not isinstance(rule.get("rulePriority"), int) or rule["rulePriority"] < 1:
            yield wrong("rulePriority must be a positive integer")
        if status not in ("tagged", "untagged", "any"):
            yield wrong(f"tagStatus is {status!r}; allowed: tagged, untagged, any")
        if status == "any" and rule.get("rulePriority") != max(priorities):
            yield wrong("a rule on any images must have the highest rulePriority")
        if status == "tagged" and not (chosen.get("tagPrefixList") or chosen.get("tagPatternList")):
            yield wrong("tagPrefixList or tagPatternList must be given for tagged images")
        if count not in ("imageCountMoreThan", "sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned"):
            yield wrong(f"countType is {count!r}; allowed: imageCountMoreThan, sinceImagePushed")
        if (chosen.get("countUnit") == "days") is not str(count).startswith("since"):
            yield wrong("countUnit must be days with sinceImagePushed, and left out with imageCountMoreThan")
        if not isinstance(chosen.get("countNumber"), int) or chosen["countNumber"] < 1:
            yield wrong("countNumber must be a positive integer")
        if rule.get("action", {}).get("type") not in ("expire", "transition"):
            yield wrong("action type must be expire")


def _encryption(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, one in enumerate(inputs.get("encryptionConfigurations", [])):
        if one.get("kmsKey") and one.get("encryptionType") not in ("KMS", "KMS_DSSE"):
            yield (
                f"encryptionConfigurations[{index}].kmsKey",
                "InvalidParameterException: a KMS key may be given only for the encryption types KMS and KMS_DSSE",
            )


KINDS: tuple[Kind, ...] = (
    Kind(
        REPOSITORY,
        judge=Calls(
            "botocore ecr",
            operation(
                "ecr", "CreateRepository",
                {"name": "repositoryName", "encryptionConfigurations": "encryptionConfiguration"},
            ),
            local={"forceDelete": "the provider's own: whether images go with the repository"},
        ),
        outputs={
            "arn": "arn:aws:ecr:{region}:{account}:repository/{name}",
            "registryId": "{account}",
            "repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
        },
        defaults={"forceDelete": False, "imageTagMutability": "MUTABLE"},
        references={"encryptionConfigurations.kmsKey": KEY},
        unique=(
            Unique(
                ("name",),
                "RepositoryAlreadyExistsException: The repository with name '{name}' already exists in the registry "
                "with id '{account}'",
            ),
        ),
        rules=(Rule(ENCRYPTION, _encryption),),
        immutable=frozenset({"name", "encryptionConfigurations"}),
        autoname=Autoname(is_lower=True),
    ),
    Kind(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        judge=Calls(
            "botocore ecr",
            operation("ecr", "PutLifecyclePolicy", {"repository": "repositoryName", "policy": "lifecyclePolicyText"}),
        ),
        id="{repository}",
        outputs={"registryId": "{account}"},
        references={"repository": Ref(REPOSITORY, by=("name",), holds=True)},
        unique=(Unique(("repository",), "{repository} has a lifecycle policy already, declared elsewhere"),),
        rules=(Rule(LIFECYCLE, _lifecycle, needs=("policy",)),),
        immutable=frozenset({"repository"}),
        is_replaced_after_delete=True,
    ),
    Kind(
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        judge=Calls(
            "botocore ecr",
            operation("ecr", "SetRepositoryPolicy", {"repository": "repositoryName", "policy": "policyText"}),
        ),
        id="{repository}",
        outputs={"registryId": "{account}"},
        references={"repository": Ref(REPOSITORY, by=("name",), holds=True)},
        unique=(Unique(("repository",), "{repository} has a policy already, declared elsewhere"),),
        rules=(trust("policy"),),  # a policy of ECR names no resource: it stands at one
        immutable=frozenset({"repository"}),
        is_replaced_after_delete=True,
    ),
)  # fmt: skip
