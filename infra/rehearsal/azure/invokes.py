"""What programs ask Azure: answers in the form of pulumi-azure-native's functions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.rehearsal.core.cloud import Asked, Invoke

CLIENT = "00000000-0000-4000-8000-000000000001"
OBJECT = "00000000-0000-4000-8000-000000000002"
"""Who runs the rehearsal."""

Answer = Mapping[str, Any]


def _client(asked: Asked) -> Answer:
    return {
        "clientId": CLIENT,
        "objectId": OBJECT,
        "subscriptionId": asked.facts["subscription"],
        "tenantId": asked.facts["tenant"],
    }


def _looked_up(token: str, argument: str) -> Callable[[Asked], Answer]:
    """What is in the account, by its name."""

    def answer(asked: Asked) -> Answer:
        wanted = asked.arguments.get(argument)
        for id, outputs in asked.find(token):
            if outputs.get("name") == wanted:
                return {**{key: value for key, value in outputs.items() if not key.startswith("__")}, "id": id}
        raise LookupError(f"ResourceNotFound: The Resource '{wanted}' was not found")

    return answer


def _credentials(asked: Asked) -> Answer:
    """As AKS gives them where Entra ID alone lets anybody in: kubelogin asks for a token."""
    name = asked.arguments["resourceName"]
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin",
                     "args": ["get-token", "--environment", "AzurePublicCloud", "--login", "devicecode"],
                     "provideClusterInfo": False}}  # fmt: skip
    cluster = {
        "server": f"https://{name}.privatelink.azmk8s.io:443",
        "certificate-authority-data": "Y2VydGlmaWNhdGU=",
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    encoded = base64.b64encode(json.dumps(config).encode()).decode()
    return {"kubeconfigs": [{"name": "clusterUser", "value": encoded}]}


INVOKES: dict[str, Invoke] = {
    "azure-native:authorization:getClientConfig": _client,
    "azure-native:containerservice:getManagedCluster": _looked_up(
        "azure-native:containerservice:ManagedCluster", "resourceName"
    ),
    "azure-native:containerservice:listManagedClusterUserCredentials": _credentials,
    "azure-native:keyvault:getKey": _looked_up("azure-native:keyvault:Key", "keyName"),
    "azure-native:keyvault:getVault": _looked_up("azure-native:keyvault:Vault", "vaultName"),
}
