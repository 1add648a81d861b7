"""Stores that nobody reads without being known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import all_of, beside, needs
from policies.rules.gcp_grants import bindings_of, members_of
from policies.rules.optional import flag, mapping, records, text

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
BLOCKS = ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",)
ACCOUNT_BLOCK = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
SWITCHES = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


@rule(
    "storage-not-public",
    Severity.CRITICAL,
    types=BUCKETS,
    title="Nobody reads a store without being known",
    why="A public bucket is found by scanners within hours; data, models and checkpoints go with it.",
    remedy="Block public access on the store itself, and grant to named identities alone.",
    joins=True,
)
def storage_not_public(bucket: Node) -> Iterator[Finding]:
    # The account's block covers every bucket, whatever the bucket's own says.
    if any(not list(_open_switches(block)) for block in all_of(bucket.graph, ACCOUNT_BLOCK)):
        return
    blocks = beside(bucket, BLOCKS, "bucket")
    if not blocks:
        yield Finding(at="publicAccessBlock")
    for block in blocks:
        yield from _open_switches(block)


def _open_switches(block: Node) -> Iterator[Finding]:
    for key in SWITCHES:
        if not flag(block, key):
            yield Finding(at=key, found=block.get(key))


_CLOSED: dict[str, Any] = dict.fromkeys(SWITCHES, True)


def _bucket(**switches: Any) -> list[Resource]:
    return [declared(BUCKETS[0], "data"), declared(BLOCKS[0], "block", bucket=Ref("data"), **switches)]


storage_not_public.examples(
    good=[
        _bucket(**_CLOSED),
        [declared(BUCKETS[0], "data"), declared(ACCOUNT_BLOCK, "account", **_CLOSED)],
        [declared(BUCKETS[0], "data", bucket="b"), declared(BLOCKS[0], "block", bucket="b", **_CLOSED)],
    ],
    bad=[
        [declared(BUCKETS[0], "data")],
        [declared(BUCKETS[0], "other"), *_bucket(**_CLOSED)],
        _bucket(),
        *(_bucket(**{**_CLOSED, key: False}) for key in SWITCHES),
        [declared(BUCKETS[0], "data"), declared(ACCOUNT_BLOCK, "account", **{**_CLOSED, "blockPublicPolicy": False})],
    ],
    unknown=[_bucket(**{**_CLOSED, key: UNKNOWN}) for key in SWITCHES],
)
PUBLIC_ACLS = ("public-read", "public-read-write", "authenticated-read", "website")
ALL_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)


@storage_not_public.also(*BUCKETS, "aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2")
def acls(holder: Props) -> Iterator[Finding]:
    if (acl := text(holder, "acl")) in PUBLIC_ACLS:
        yield Finding(at="acl", found=acl)
    grants = [*records(holder, "grants"), *records(mapping(holder, "accessControlPolicy"), "grants")]
    for grant in grants:
        for place in (grant, mapping(grant, "grantee")):
            if (uri := text(place, "uri")) in ALL_GROUPS:
                yield Finding(at=place.at("uri"), found=uri)


_GRANT = {"permission": "READ", "grantee": {"type": "Group", "uri": ALL_GROUPS[0]}}
acls.examples(
    good=[{}, {"acl": "private"}, {"accessControlPolicy": {"grants": [{"grantee": {"id": "owner"}}]}}],
    bad=[{"acl": acl} for acl in PUBLIC_ACLS]
    + [{"accessControlPolicy": {"grants": [_GRANT]}}, {"grants": [{"type": "Group", "uri": ALL_GROUPS[1]}]}],
    unknown=[{"acl": UNKNOWN}, {"accessControlPolicy": UNKNOWN}],
)

needs(
    storage_not_public,
    "gcp:storage/bucket:Bucket",
    "publicAccessPrevention",
    "enforced",
    refused="inherited",
)
EVERYBODY = ("allUsers", "allAuthenticatedUsers")
GRANTS = (
    "gcp:storage/bucketIAMMember:BucketIAMMember", "gcp:storage/bucketIAMBinding:BucketIAMBinding",
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember",
    "gcp:storage/managedFolderIamBinding:ManagedFolderIamBinding",
    "gcp:bigquery/datasetIamMember:DatasetIamMember", "gcp:bigquery/datasetIamBinding:DatasetIamBinding",
)  # fmt: skip


@storage_not_public.also(*GRANTS, joins=True)
def grants_to_all(grant: Node) -> Iterator[Finding]:
    for where, member in members_of(grant):
        if member in EVERYBODY:
            yield Finding(at=where, found=member)


def _grant(**props: Any) -> list[Resource]:
    account = declared("gcp:serviceaccount/account:Account", "account")
    return [account, declared(GRANTS[0], "it", role="roles/storage.objectViewer", **props)]


grants_to_all.examples(
    good=[
        _grant(member="serviceAccount:a@p.iam.gserviceaccount.com"),
        _grant(members=["group:g@example.com"]),
        _grant(member=Ref("account")),
    ],
    bad=[*(_grant(member=everybody) for everybody in EVERYBODY), _grant(members=["user:u@example.com", "allUsers"])],
    unknown=[_grant(member=UNKNOWN), _grant(members=["user:u@example.com", UNKNOWN])],
)


@storage_not_public.also(
    "gcp:storage/bucketIAMPolicy:BucketIAMPolicy", "gcp:storage/managedFolderIamPolicy:ManagedFolderIamPolicy",
    "gcp:bigquery/datasetIamPolicy:DatasetIamPolicy",
)  # fmt: skip
def policies_for_all(policy: Props) -> Iterator[Finding]:
    for where, _, members in bindings_of(policy):
        for member in members:
            if member in EVERYBODY:
                yield Finding(at=where, found=member)


_TO_ALL = '{"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}'
policies_for_all.examples(
    good=[{"policyData": '{"bindings": [{"role": "r", "members": ["group:g@example.com"]}]}'}],
    bad=[{"policyData": _TO_ALL}],
    unknown=[{"policyData": UNKNOWN}],
)


@storage_not_public.also(
    "gcp:storage/bucketAccessControl:BucketAccessControl",
    "gcp:storage/defaultObjectAccessControl:DefaultObjectAccessControl",
    "gcp:storage/objectAccessControl:ObjectAccessControl",
)
def controls_for_all(control: Props) -> Finding | None:
    entity = text(control, "entity")
    return Finding(at="entity", found=entity) if entity in EVERYBODY else None


controls_for_all.examples(
    good=[{"entity": "user-u@example.com"}],
    bad=[{"entity": "allUsers"}, {"entity": "allAuthenticatedUsers"}],
    unknown=[{"entity": UNKNOWN}],
)


@storage_not_public.also("gcp:storage/bucketACL:BucketACL", "gcp:storage/objectACL:ObjectACL")
def predefined_acls(acl: Props) -> Iterator[Finding]:
    for key in ("predefinedAcl", "defaultAcl"):
        value = text(acl, key)
        if value and value.casefold().replace("-", "") in ("publicread", "publicreadwrite", "authenticatedread"):
            yield Finding(at=key, found=value)


predefined_acls.examples(
    good=[{}, {"predefinedAcl": "projectPrivate"}],
    bad=[{"predefinedAcl": "publicRead"}, {"defaultAcl": "publicreadwrite"}, {"predefinedAcl": "authenticatedRead"}],
    unknown=[{"predefinedAcl": UNKNOWN}],
)

needs(storage_not_public, "azure-native:storage:StorageAccount", "allowBlobPublicAccess", False, refused=True)
# Azure's own default for a container: https://learn.microsoft.com/rest/api/storagerp/blob-containers/create
needs(
    storage_not_public,
    "azure-native:storage:BlobContainer",
    "publicAccess",
    "None",
    refused="Blob",
    absent="None",
)
