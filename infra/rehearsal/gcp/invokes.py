"""What programs ask Google Cloud: answers in the form of pulumi-gcp's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.rehearsal.core.cloud import Asked, Invoke

Answer = Mapping[str, Any]


def _project(asked: Asked) -> Answer:
    project = asked.arguments.get("projectId") or asked.facts["project"]
    empty = {"labels": {}, "effectiveLabels": {}, "pulumiLabels": {}, "tags": {}, "folderId": "", "orgId": ""}
    return {
        **empty,
        "id": f"projects/{project}",
        "projectId": project,
        "name": project,
        "number": asked.facts["number"],
        "billingAccount": "012345-6789AB-CDEF01",
        "autoCreateNetwork": False,
        "deletionPolicy": "PREVENT",
    }


def _agent(host: str, key: str) -> Invoke:
    def answer(asked: Asked) -> Answer:
        email = f"{host.format(number=asked.facts['number'])}.iam.gserviceaccount.com"
        return {"id": email, key: email, "member": f"serviceAccount:{email}", "project": asked.facts["project"]}

    return answer


def looked_up(token: str) -> Callable[[Asked], Answer]:
    """A data source of what is in the account, by its name."""

    def answer(asked: Asked) -> Answer:
        for id, outputs in asked.find(token):
            if outputs.get("name") == asked.arguments.get("name"):
                return {**{key: value for key, value in outputs.items() if not key.startswith("__")}, "id": id}
        raise LookupError(
            f"googleapi: Error 404: {token.rsplit(':', 1)[-1]} '{asked.arguments.get('name')}' was not found"
        )

    return answer


INVOKES: dict[str, Invoke] = {
    "gcp:organizations/getProject:getProject": _project,
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": _agent(
        "service-{number}@gs-project-accounts", "emailAddress"
    ),
    "gcp:bigquery/getDefaultServiceAccount:getDefaultServiceAccount": _agent(
        "bq-{number}@bigquery-encryption", "email"
    ),
    "gcp:compute/getNetwork:getNetwork": looked_up("gcp:compute/network:Network"),
    "gcp:compute/getSubnetwork:getSubnetwork": looked_up("gcp:compute/subnetwork:Subnetwork"),
    "gcp:container/getCluster:getCluster": looked_up("gcp:container/cluster:Cluster"),
}
