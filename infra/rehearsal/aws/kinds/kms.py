"""Keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.documents import resource
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

KEY = Ref("aws:kms/key:Key", by=("arn", "keyId"))
CREATE = "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html"
ROTATION = "https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html"
ALIASES = "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html"

_SIGNING = ("RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1")


def _usage(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    spec, usage = inputs.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT"), inputs.get("keyUsage", "ENCRYPT_DECRYPT")
    if spec == "SYMMETRIC_DEFAULT" and usage != "ENCRYPT_DECRYPT":
        yield "keyUsage", f"ValidationException: KeyUsage {usage} is not compatible with KeySpec {spec}"
    if str(spec).startswith("ECC_") and usage == "ENCRYPT_DECRYPT":
        yield "keyUsage", f"ValidationException: KeyUsage {usage} is not compatible with KeySpec {spec}"
    if usage == "SIGN_VERIFY" and spec not in _SIGNING and not str(spec).startswith(("ML_DSA", "SM2", "ECC_")):
        yield "customerMasterKeySpec", f"ValidationException: KeySpec {spec} can't sign"


def _rotation(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    spec = inputs.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT")
    if inputs.get("enableKeyRotation") and spec != "SYMMETRIC_DEFAULT":
        yield "enableKeyRotation", "UnsupportedOperationException: asymmetric keys have no automatic rotation"


def _lockout(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The safety check: whoever makes the key must be able to put another policy later."""
    if "policy" not in inputs or inputs.get("bypassPolicyLockoutSafetyCheck"):
        return
    try:
        statements = json.loads(inputs["policy"])["Statement"]
    except (ValueError, KeyError, TypeError):
        return  # said by the rule on documents
    allowed = [
        action
        for statement in statements
        if isinstance(statement, Mapping) and statement.get("Effect") == "Allow"
        for action in _listed(statement.get("Action", ()))
    ]
    if not {"kms:*", "kms:Put*", "kms:PutKeyPolicy", "*"} & set(allowed):
        told = "The new key policy will not allow you to update the key policy in the future."
        yield "policy", f"MalformedPolicyDocumentException: {told}"


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)


def _waiting(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    days = inputs.get("deletionWindowInDays", 30)
    if not 7 <= days <= 30:
        yield "deletionWindowInDays", f"ValidationException: PendingWindowInDays must be between 7 and 30, not {days}"


def _alias(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = str(inputs.get("name", ""))
    if not name.startswith("alias/"):
        yield "name", f'InvalidAliasNameException: Alias must start with the prefix "alias/", not {name!r}'
    if name.startswith("alias/aws/"):
        yield "name", f"NotAuthorizedException: {name} is reserved for AWS"


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:kms/key:Key",
        judge=Calls(
            "botocore kms",
            operation(
                "kms", "CreateKey", {"customerMasterKeySpec": "KeySpec"},
                omits=("enableKeyRotation", "deletionWindowInDays", "isEnabled"),
            ),
            operation(
                "kms", "EnableKeyRotation", fixed={"KeyId": "{id}"},
                when="enableKeyRotation", takes=("rotationPeriodInDays",),
            ),
            operation(
                "kms", "ScheduleKeyDeletion", {"deletionWindowInDays": "PendingWindowInDays"},
                fixed={"KeyId": "{id}"}, when="deletionWindowInDays", takes=("deletionWindowInDays",),
            ),
            local={"isEnabled": "a key is enabled when it is made"},
        ),
        id="{uuid}",
        outputs={"keyId": "{id}", "arn": "arn:aws:kms:{region}:{account}:key/{id}"},
        defaults={
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "keyUsage": "ENCRYPT_DECRYPT",
            "isEnabled": True,
            "multiRegion": False,
            "bypassPolicyLockoutSafetyCheck": False,
        },
        rules=(
            resource("policy"),
            Rule(CREATE, _usage),
            Rule(CREATE, _waiting),
            Rule(CREATE, _lockout, needs=("policy",)),
            Rule(ROTATION, _rotation),
        ),
        immutable=frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"}),
    ),
    Kind(
        "aws:kms/alias:Alias",
        judge=Calls("botocore kms", operation("kms", "CreateAlias", {"name": "AliasName"})),
        outputs={
            "arn": "arn:aws:kms:{region}:{account}:{name}",
            "targetKeyArn": "arn:aws:kms:{region}:{account}:key/{targetKeyId}",
        },
        references={"targetKeyId": Ref("aws:kms/key:Key", by=("arn", "keyId"), holds=True)},
        unique=(Unique(("name",), "AlreadyExistsException: An alias with the name {name} already exists"),),
        rules=(Rule(ALIASES, _alias, needs=("name",)),),
        immutable=frozenset({"name", "namePrefix"}),
    ),
)  # fmt: skip
