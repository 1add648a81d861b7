"""Service accounts and who may act as them."""

from __future__ import annotations

from infra.rehearsal.core.kinds import ALL, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.requests import BINDING, grant, named, operation

ACCOUNT = "gcp:serviceaccount/account:Account"
CREATE = "https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create"

KINDS: tuple[Kind, ...] = (
    Kind(
        ACCOUNT,
        judge=Calls(
            "discovery iam.v1",
            operation(
                "iam.v1",
                "projects.serviceAccounts.create",
                {"displayName": "serviceAccount.displayName", "description": "serviceAccount.description"},
                fixed={"name": "projects/{project}"},
            ),
            local={"createIgnoreAlreadyExists": "the provider's own: what it does on a conflict"},
        ),
        id="projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
        outputs={
            "email": "{accountId}@{project}.iam.gserviceaccount.com",
            "name": "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
            "member": "serviceAccount:{accountId}@{project}.iam.gserviceaccount.com",
            "uniqueId": "{digits:21}",
        },
        unique=(Unique(("accountId",), "googleapi: Error 409: Service account {accountId} already exists", "account"),),
        rules=(named("accountId", r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", CREATE),),
        immutable=frozenset({"accountId", "project"}),
    ),
    Kind(
        "gcp:serviceaccount/iAMMember:IAMMember",
        judge=Calls(
            "discovery iam.v1",
            grant("iam.v1", "projects.serviceAccounts.setIamPolicy", resource="{serviceAccountId}"),
            local={"serviceAccountId": "stands in the call's path"},
        ),
        id="{serviceAccountId}/{role}/{member}",
        references={"serviceAccountId": Ref(ACCOUNT, by=("name", "email"), holds=False)},
        rules=(BINDING,),
        immutable=ALL,
    ),
)
