"""What stands at a bucket and what is granted on it, as plain data."""

from __future__ import annotations

from collections.abc import Sequence

from components.aws.iam import Document, allow, deny, of_account, policy, tls_only

RESERVED = ("approvals", "audit", "skywright")
"""Folders of the artifact store that hold approvals, the audit log, the budget's state: jobs and servers write none."""

CAPTURES = "capture"
"""Folder of the artifact store that captured requests and answers lie in."""


def bucket_policy(bucket_arn: str, key_arn: str) -> Document:
    """TLS only, and no object under another key. An upload that names no key gets the bucket's own."""
    objects = f"{bucket_arn}/*"
    return policy(
        tls_only("s3:*", [bucket_arn, objects]),
        deny(
            "KmsOnly",
            ["s3:PutObject"],
            objects,
            to={"AWS": "*"},
            when={"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "aws:kms"}},
        ),
        deny(
            "ThisKeyOnly",
            ["s3:PutObject"],
            objects,
            to={"AWS": "*"},
            when={"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key_arn}},
        ),
    )


def access_log_policy(bucket_arn: str, account_id: str, sources: Sequence[str]) -> Document:
    """S3 itself writes, for the stack's buckets alone.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    return policy(
        tls_only("s3:*", [bucket_arn, f"{bucket_arn}/*"]),
        allow(
            "AccessLogs",
            ["s3:PutObject"],
            f"{bucket_arn}/*",
            to={"Service": "logging.s3.amazonaws.com"},
            when={**of_account(account_id), "ArnLike": {"aws:SourceArn": list(sources)}},
        ),
    )


def reads(what: str, bucket_arn: str) -> list[Document]:
    """`what` names the bucket in statement ids."""
    return [
        allow(f"List{what}", ["s3:ListBucket", "s3:GetBucketLocation"], bucket_arn),
        allow(f"Read{what}", ["s3:GetObject", "s3:GetObjectVersion"], f"{bucket_arn}/*"),
    ]


def adds(what: str, bucket_arn: str, folder: str = "") -> list[Document]:
    """Puts objects, below `folder` where one is named. An overwritten object stays as an older version."""
    return [
        allow(
            f"Add{what}",
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            f"{bucket_arn}/{folder}/*" if folder else f"{bucket_arn}/*",
        )
    ]


def removes(what: str, bucket_arn: str) -> list[Document]:
    """Deletes objects; their versions stay."""
    return [allow(f"Remove{what}", ["s3:DeleteObject"], f"{bucket_arn}/*")]


def spares_reserved(bucket_arn: str, folders: Sequence[str] = RESERVED) -> list[Document]:
    return [
        deny("SpareReserved", ["s3:PutObject", "s3:DeleteObject"], [f"{bucket_arn}/{folder}/*" for folder in folders])
    ]


def uses_key(key_arn: str, *, can_write: bool) -> list[Document]:
    actions = ["kms:Decrypt", "kms:DescribeKey", *(["kms:GenerateDataKey"] if can_write else [])]
    return [allow("UseKey", actions, key_arn)]


def encrypts_volumes(key_arn: str) -> list[Document]:
    """SageMaker's volumes take the key by a grant that only an AWS service may use.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    return [allow("EncryptVolumes", ["kms:CreateGrant"], key_arn, when={"Bool": {"kms:GrantIsForAWSResource": "true"}})]


def granted_to(use: str, data: str, artifacts: str, checkpoints: str, key_arn: str) -> list[Document]:
    """What the role of that use may do with the stack's buckets, given their ARNs, and with their key."""
    read_all = [*reads("Data", data), *reads("Artifacts", artifacts), *reads("Checkpoints", checkpoints)]
    match use:
        case "training":
            return [
                *read_all,
                *adds("Artifacts", artifacts),
                *adds("Checkpoints", checkpoints),
                *removes("Checkpoints", checkpoints),
                *spares_reserved(artifacts),
                *uses_key(key_arn, can_write=True),
                *encrypts_volumes(key_arn),
            ]
        case "serving":
            return [
                *reads("Artifacts", artifacts),
                *adds("Captures", artifacts, CAPTURES),
                *uses_key(key_arn, can_write=True),
                *encrypts_volumes(key_arn),
            ]
        case "pipeline":
            return [
                *read_all,
                *adds("Data", data),
                *adds("Artifacts", artifacts),
                *adds("Checkpoints", checkpoints),
                *removes("Checkpoints", checkpoints),
                *spares_reserved(artifacts, [folder for folder in RESERVED if folder != "audit"]),
                *uses_key(key_arn, can_write=True),
                *encrypts_volumes(key_arn),
            ]
        case "approver":
            return [
                *reads("Artifacts", artifacts),
                *adds("Approvals", artifacts, "approvals"),
                *adds("Audit", artifacts, "audit"),
                *uses_key(key_arn, can_write=True),
            ]
        case "viewer":
            return [*reads("Artifacts", artifacts), *uses_key(key_arn, can_write=False)]
        case "admin":
            return [
                *read_all,
                *adds("Artifacts", artifacts),
                *removes("Artifacts", artifacts),
                *removes("Checkpoints", checkpoints),
                *spares_reserved(artifacts, ["approvals"]),
                *uses_key(key_arn, can_write=True),
            ]
    raise ValueError(f"no role is used for {use!r}")
