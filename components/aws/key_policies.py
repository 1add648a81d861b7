"""Policies of the stack's KMS keys. In a key's policy the resource `*` is the key itself, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from components.aws.iam import Document, account_root, allow, of_account, policy

THIS_KEY = "*"

ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
ENCRYPT = ("kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptTo")
DECRYPT = ("kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptFrom")

NOTICE_SERVICES = (
    "budgets.amazonaws.com",
    "cloudwatch.amazonaws.com",
    "costalerts.amazonaws.com",
    "events.amazonaws.com",
)
"""Services that publish to the stack's encrypted topics."""


def data_key_policy(account_id: str) -> Document:
    """The account's own identity policies say who administers and who uses the key; no other account can."""
    return policy(
        allow(
            "AccountDecides",
            [*ADMINISTER, *ENCRYPT, *DECRYPT, "kms:CreateGrant", "kms:RetireGrant"],
            THIS_KEY,
            to={"AWS": account_root(account_id)},
        )
    )


def logs_key_policy(account_id: str, region: str) -> Document:
    """Besides: the region's logs service, for this account's log groups, and what publishes to the stack's topics.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    groups = f"arn:aws:logs:{region}:{account_id}:log-group:*"
    return policy(
        *data_key_policy(account_id)["Statement"],
        allow(
            "Logs",
            [*ENCRYPT, *DECRYPT],
            THIS_KEY,
            to={"Service": f"logs.{region}.amazonaws.com"},
            when={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        ),
        allow(
            "Notices",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            THIS_KEY,
            to={"Service": list(NOTICE_SERVICES)},
            when=of_account(account_id),
        ),
    )


def signing_key_policy(account_id: str, *, approver_arn: str, verifier_arns: Sequence[str]) -> Document:
    """The approver alone signs: not even the account's own identity policies can let somebody else, short of a change
    of this policy. Verifiers read the public key."""
    return policy(
        allow("AccountAdministers", ADMINISTER, THIS_KEY, to={"AWS": account_root(account_id)}),
        allow(
            "ApproverSigns",
            ["kms:Sign", "kms:GetPublicKey", "kms:DescribeKey"],
            THIS_KEY,
            to={"AWS": approver_arn},
        ),
        allow(
            "OthersVerify",
            ["kms:Verify", "kms:GetPublicKey", "kms:DescribeKey"],
            THIS_KEY,
            to={"AWS": list(verifier_arns)},
        ),
    )
