"""APIs of a project, its own roles, and who has which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import ALL, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.requests import BINDING, grant, named, operation

ROLE = "gcp:projects/iAMCustomRole:IAMCustomRole"
SERVICES = "https://cloud.google.com/service-usage/docs/overview"
ROLES = "https://cloud.google.com/iam/docs/creating-custom-roles"


def _permissions(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for permission in inputs.get("permissions") or ():
        if isinstance(permission, str) and (permission.count(".") != 2 or "*" in permission):
            yield "permissions", f"googleapi: Error 400: Permission {permission} is not valid., badRequest"


KINDS: tuple[Kind, ...] = (
    Kind(
        "gcp:projects/service:Service",
        judge=Calls(
            "discovery serviceusage.v1",
            operation(
                "serviceusage.v1",
                "services.enable",
                {"service": To("name", lambda name: f"projects/123456789012/services/{name}")},
            ),
            local={
                "disableOnDestroy": "the provider's own: whether it disables the API when the resource goes",
                "disableDependentServices": "the provider's own: what else it disables then",
            },
        ),
        id="{project}/{service}",
        unique=(Unique(("service",), "googleapi: Error 409: {service} is managed twice", scope="account"),),
        rules=(named("service", r"[a-z0-9-]+\.googleapis\.com", SERVICES),),
        immutable=frozenset({"service", "project"}),
    ),
    Kind(
        "gcp:projects/serviceIdentity:ServiceIdentity",
        judge=Calls(
            "discovery serviceusage.v1beta1",
            operation(
                "serviceusage.v1beta1",
                "services.generateServiceIdentity",
                {"service": To("parent", lambda name: f"projects/123456789012/services/{name}")},
            ),
        ),
        id="projects/{project}/services/{service}",
        outputs={
            "email": lambda facts: (
                f"service-{facts['number']}@gcp-sa-{facts['service'].split('.')[0]}.iam.gserviceaccount.com"
            ),
            "member": lambda facts: f"serviceAccount:{facts['email']}",
        },
        rules=(named("service", r"[a-z0-9-]+\.googleapis\.com", SERVICES),),
        immutable=ALL,
    ),
    Kind(
        ROLE,
        judge=Calls(
            "discovery iam.v1",
            operation(
                "iam.v1",
                "projects.roles.create",
                {
                    "title": "role.title",
                    "permissions": "role.includedPermissions",
                    "description": "role.description",
                    "stage": "role.stage",
                },
                fixed={"parent": "projects/{project}"},
            ),
        ),
        id="projects/{project}/roles/{roleId}",
        outputs={"name": "projects/{project}/roles/{roleId}"},
        defaults={"stage": "GA"},
        unique=(Unique(("roleId",), "googleapi: Error 409: A role named {roleId} already exists", scope="account"),),
        rules=(named("roleId", r"[a-zA-Z0-9_.]{3,64}", ROLES), Rule(ROLES, _permissions)),
        immutable=frozenset({"roleId", "project"}),
    ),
    Kind(
        "gcp:projects/iAMMember:IAMMember",
        judge=Calls(
            "discovery cloudresourcemanager.v1",
            grant("cloudresourcemanager.v1", "projects.setIamPolicy", resource="{project}"),
        ),
        id="{project}/{role}/{member}",
        references={
            "role": Ref(ROLE, by=("name",), holds=True, skips="roles/"),
            "member": Ref("gcp:serviceaccount/account:Account", by=("member",), skips=r"(?!serviceAccount:skywright)"),
        },
        rules=(BINDING,),
        immutable=ALL,
    ),
)
