"""What Azure would compute, in the right form: resource ids, URLs, principals. A mock that only echoes has none."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

SUBSCRIPTION = "00000000-1111-4222-8333-444444444444"
TENANT = "99999999-1111-4222-8333-444444444444"

Inputs = dict[str, Any]

_PROVIDERS = {
    "app": "App", "applicationinsights": "Insights", "authorization": "Authorization", "consumption": "Consumption",
    "containerregistry": "ContainerRegistry", "containerservice": "ContainerService", "keyvault": "KeyVault",
    "machinelearningservices": "MachineLearningServices", "managedidentity": "ManagedIdentity", "monitor": "Insights",
    "network": "Network", "operationalinsights": "OperationalInsights", "privatedns": "Network", "storage": "Storage",
}  # fmt: skip
_PARENTS = {
    "Subnet": "virtualNetworkName", "Key": "vaultName", "BlobContainer": "accountName", "Compute": "workspaceName",
    "OnlineEndpoint": "workspaceName", "OnlineDeployment": "endpointName", "ModelVersion": "workspaceName",
}  # fmt: skip
_OWN = (
    "deploymentName", "endpointName", "computeName", "subnetName", "virtualNetworkName", "keyName", "containerName",
    "accountName", "vaultName", "registryName", "workspaceName", "resourceGroupName", "agentPoolName", "jobName",
    "environmentName", "privateZoneName", "privateEndpointName", "actionGroupName", "ruleName", "budgetName",
    "autoscaleSettingName", "roleAssignmentName", "roleDefinitionId", "federatedIdentityCredentialResourceName",
    "networkSecurityGroupName", "natGatewayName", "publicIpAddressName", "resourceName", "version", "name",
)  # fmt: skip
_CONTAINERS = {"workspaceName": "Workspace", "accountName": "StorageAccount", "vaultName": "Vault"}


def resource(kind: str, name: str, inputs: Inputs) -> tuple[str, Inputs]:
    """The id, and the inputs with what is computed beside them."""
    _, module, what = kind.split(":")
    own = _name(what, name, inputs)
    group = inputs.get("resourceGroupName", "group")
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
    identifier = f"{scope}/providers/Microsoft.{_PROVIDERS.get(module, module)}/{what}/{own}"
    if what == "ResourceGroup":
        identifier = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{own}"
    computed: Inputs = {"name": own, "azureApiVersion": "mock"}
    made = {**inputs, **computed, **_more(what, own, inputs)}
    if isinstance(given := made.get("identity"), dict) and isinstance(given.get("userAssignedIdentities"), list):
        # Given as a list, answered as a map.
        made["identity"] = {**given, "userAssignedIdentities": {id: {} for id in given["userAssignedIdentities"]}}
    return identifier, made


def call(token: str, arguments: Inputs) -> Inputs:
    if token.endswith(":getClientConfig"):
        return {
            "clientId": str(uuid.uuid5(uuid.NAMESPACE_URL, "client")),
            "objectId": str(uuid.uuid5(uuid.NAMESPACE_URL, "deployer")),
            "subscriptionId": SUBSCRIPTION,
            "tenantId": TENANT,
        }
    if token.endswith(":listManagedClusterUserCredentials"):
        return {"kubeconfigs": [{"name": "user", "value": "YXBpVmVyc2lvbjogdjEK"}]}
    if token.endswith(":getVault"):
        return {
            "id": f"/vaults/{arguments['vaultName']}",
            "properties": {"vaultUri": "https://brought.vault.azure.net/"},
        }
    if token.endswith(":getKey"):
        return {"keyUriWithVersion": "https://brought.vault.azure.net/keys/own/0123"}
    if token.endswith(":getManagedCluster"):
        return {"id": "/clusters/brought", "oidcIssuerProfile": {"issuerURL": "https://issuer/"}}
    return {}


def _more(what: str, own: str, inputs: Inputs) -> Inputs:
    if what == "UserAssignedIdentity":
        return {
            "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"principal/{own}")),
            "clientId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"client/{own}")),
            "tenantId": TENANT,
        }
    if what == "Vault":
        return {"properties": {**inputs["properties"], "vaultUri": f"https://{own}.vault.azure.net/"}}
    if what == "Key":
        url = f"https://{inputs['vaultName']}.vault.azure.net/keys/{own}"
        return {"keyUri": url, "keyUriWithVersion": f"{url}/{_hex(own, 32)}"}
    if what == "Registry":
        return {"loginServer": f"{own}.azurecr.io"}
    if what == "Workspace":
        host = f"azureml://westeurope.api.azureml.ms/mlflow/v1.0/workspaces/{own}"
        return {"mlFlowTrackingUri": host, "customerId": _hex(own, 32)}
    if what == "Component":
        return {"connectionString": f"InstrumentationKey={_hex(own, 32)}"}
    if what == "OnlineEndpoint":
        return {
            "properties": {
                **inputs["properties"],
                "scoringUri": f"https://{own}.westeurope.inference.ml.azure.com/score",
            }
        }
    if what == "ManagedCluster":
        return {
            "oidcIssuerProfile": {"enabled": True, "issuerURL": "https://westeurope.oic.prod-aks.azure.com/issuer/"}
        }
    return {}


def _name(what: str, logical: str, inputs: Inputs) -> str:
    for key in _OWN:
        is_parent = key == "resourceGroupName" and what != "ResourceGroup"
        is_parent |= _PARENTS.get(what) == key
        is_parent |= key in _CONTAINERS and what != _CONTAINERS[key]
        is_parent |= key in ("endpointName", "virtualNetworkName") and what in ("OnlineDeployment", "Subnet")
        if inputs.get(key) and not is_parent:
            return str(inputs[key])
    return f"{logical}-{_hex(logical, 7)}"


def _hex(seed: str, digits: int) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:digits]
