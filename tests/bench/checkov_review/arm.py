"""What Azure's resources are to Resource Manager: a template. Inputs are the API's, one level flatter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from policies.resources import SECRET, UNKNOWN, Resource

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
VERSION = "2024-05-01"
"""No check asks for more than that a version is not one of the oldest."""
BESIDE = frozenset(
    {"location", "tags", "sku", "kind", "identity", "zones", "plan", "extendedLocation", "managedBy", "scale"}
)
"""What stands beside `properties`."""
WHOLE = (
    "properties",
    "onlineEndpointProperties",
    "onlineDeploymentProperties",
    "datastoreProperties",
    "environmentVersionProperties",
    "registryProperties",
)
"""Inputs that are the API's `properties` as they are."""
CAPITALS = {
    "app": "App", "applicationinsights": "Insights", "authorization": "Authorization",
    "cognitiveservices": "CognitiveServices", "compute": "Compute", "consumption": "Consumption",
    "containerregistry": "ContainerRegistry", "containerservice": "ContainerService", "databricks": "Databricks",
    "dbforpostgresql": "DBforPostgreSQL", "eventhub": "EventHub", "keyvault": "KeyVault",
    "machinelearningservices": "MachineLearningServices", "managedidentity": "ManagedIdentity", "monitor": "Insights",
    "network": "Network", "operationalinsights": "OperationalInsights", "privatedns": "Network", "redis": "Cache",
    "resources": "Resources", "servicebus": "ServiceBus", "sql": "Sql", "storage": "Storage", "web": "Web",
}  # fmt: skip
RENAMED = {
    "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
    "networkRuleSet": "networkAcls",
    "keyVaultProperties": "keyvaultproperties",
}
"""Where the provider's name is another than the API's, on a storage account."""
TYPES = {
    "app:Job": "jobs",
    "app:NetworkJob": "jobs",
    "compute:VirtualMachineScaleSet": "virtualMachineScaleSets",
    "containerregistry:Registry": "registries",
    "containerregistry:Token": "registries/tokens",
    "containerservice:AgentPool": "managedClusters/agentPools",
    "containerservice:MaintenanceConfiguration": "managedClusters/maintenanceConfigurations",
    "dbforpostgresql:Server": "flexibleServers",
    "keyvault:Key": "vaults/keys",
    "keyvault:Secret": "vaults/secrets",
    "machinelearningservices:Compute": "workspaces/computes",
    "machinelearningservices:Datastore": "workspaces/datastores",
    "machinelearningservices:EnvironmentVersion": "workspaces/environments/versions",
    "machinelearningservices:OnlineDeployment": "workspaces/onlineEndpoints/deployments",
    "machinelearningservices:OnlineEndpoint": "workspaces/onlineEndpoints",
    "machinelearningservices:Registry": "registries",
    "managedidentity:FederatedIdentityCredential": "userAssignedIdentities/federatedIdentityCredentials",
    "managedidentity:UserAssignedIdentity": "userAssignedIdentities",
    "network:FlowLog": "networkWatchers/flowLogs",
    "network:PrivateDnsZoneGroup": "privateEndpoints/privateDnsZoneGroups",
    "network:PublicIPAddress": "publicIPAddresses",
    "network:SecurityRule": "networkSecurityGroups/securityRules",
    "network:Subnet": "virtualNetworks/subnets",
    "privatedns:PrivateZone": "privateDnsZones",
    "privatedns:VirtualNetworkLink": "privateDnsZones/virtualNetworkLinks",
    "redis:Redis": "redis",
    "storage:BlobContainer": "storageAccounts/blobServices/containers",
    "storage:BlobServiceProperties": "storageAccounts/blobServices",
    "storage:FileShare": "storageAccounts/fileServices/shares",
    "storage:ManagementPolicy": "storageAccounts/managementPolicies",
    "web:WebApp": "sites",
}
"""Types that don't follow from the token's last part in the plural."""


def type_of(token: str) -> str:
    """`azure-native:storage:StorageAccount` is Microsoft.Storage/storageAccounts."""
    _, module, kind = token.split(":")
    own = TYPES.get(f"{module}:{kind}")
    if own is None:
        first = kind[0].lower() + kind[1:]
        own = f"{first[:-1]}ies" if first.endswith("y") else f"{first}s"
    return f"Microsoft.{CAPITALS[module]}/{own}"


def template(resources: Sequence[Resource], named: Callable[[int], str]) -> dict[str, Any]:
    """Those of Azure, each by the name that its place in the list gives."""
    shown = [(index, item) for index, item in enumerate(resources) if item.type.startswith("azure-native:")]
    ids = {item.urn: f"[resourceId('{type_of(item.type)}', '{named(index)}')]" for index, item in shown if item.urn}
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "resources": [_resource(item, named(index), ids) for index, item in shown],
    }


def _resource(item: Resource, name: str, ids: Mapping[str, str]) -> dict[str, Any]:
    kind = type_of(item.type)
    made: dict[str, Any] = {
        "type": kind,
        "apiVersion": VERSION,
        "name": "/".join(["of"] * (kind.count("/") - 1) + [name]),
    }
    inner: dict[str, Any] = {}
    for key, value in item.props.items():
        found = [ids[urn] for urn in item.property_dependencies.get(key, ()) if urn in ids]
        plain = _plain(value, found[0] if found else "[parameters('unknown')]")
        if key in WHOLE:
            inner.update(plain)
        else:
            renamed = RENAMED.get(key, key) if kind.startswith("Microsoft.Storage/") else key
            (made if key in BESIDE else inner)[renamed] = plain
    return {**made, "properties": inner}


def _plain(value: Any, unknown: str) -> Any:
    if value is UNKNOWN or value is SECRET:
        return unknown
    if isinstance(value, Mapping):
        return {key: _plain(inner, unknown) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, unknown) for inner in value]
    return value
