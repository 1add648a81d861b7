"""Azure: ids of Resource Manager, as https://www.pulumi.com/registry/packages/azure-native/ shows them per resource.

The subscription is a fact; all else is declared. What lies on something else (grants, budgets, diagnostics) begins with
the id of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from catalog.import_ids.forms import Form

_GROUP = "/subscriptions/{subscription}/resourceGroups/{resourceGroupName}"
_WORKSPACE = "Microsoft.MachineLearningServices/workspaces/{workspaceName}"
_ACCOUNT = "Microsoft.Storage/storageAccounts/{accountName}"
_CLUSTER = "Microsoft.ContainerService/managedClusters/{resourceName}"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"

_IN_GROUP = {
    "app:Job": "Microsoft.App/jobs/{jobName}",
    "app:ManagedEnvironment": "Microsoft.App/managedEnvironments/{environmentName}",
    "applicationinsights:Component": "Microsoft.Insights/components/{resourceName}",
    "applicationinsights:Workbook": "Microsoft.Insights/workbooks/{resourceName}",
    "containerregistry:Registry": "Microsoft.ContainerRegistry/registries/{registryName}",
    "containerservice:AgentPool": f"{_CLUSTER}/agentPools/{{agentPoolName}}",
    "containerservice:MaintenanceConfiguration": f"{_CLUSTER}/maintenanceConfigurations/{{configName}}",
    "containerservice:ManagedCluster": _CLUSTER,
    "keyvault:Key": "Microsoft.KeyVault/vaults/{vaultName}/keys/{keyName}",
    "keyvault:Vault": "Microsoft.KeyVault/vaults/{vaultName}",
    "machinelearningservices:Compute": f"{_WORKSPACE}/computes/{{computeName}}",
    "machinelearningservices:DataVersion": f"{_WORKSPACE}/data/{{name}}/versions/{{version}}",
    "machinelearningservices:Datastore": f"{_WORKSPACE}/datastores/{{name}}",
    "machinelearningservices:EnvironmentVersion": f"{_WORKSPACE}/environments/{{name}}/versions/{{version}}",
    "machinelearningservices:ModelContainer": f"{_WORKSPACE}/models/{{name}}",
    "machinelearningservices:ModelVersion": f"{_WORKSPACE}/models/{{name}}/versions/{{version}}",
    "machinelearningservices:OnlineDeployment": (
        f"{_WORKSPACE}/onlineEndpoints/{{endpointName}}/deployments/{{deploymentName}}"
    ),
    "machinelearningservices:OnlineEndpoint": f"{_WORKSPACE}/onlineEndpoints/{{endpointName}}",
    "machinelearningservices:Workspace": _WORKSPACE,
    "managedidentity:FederatedIdentityCredential": (
        f"{_IDENTITY}/federatedIdentityCredentials/{{federatedIdentityCredentialResourceName}}"
    ),
    "managedidentity:UserAssignedIdentity": _IDENTITY,
    "monitor:ActionGroup": "Microsoft.Insights/actionGroups/{actionGroupName}",
    "monitor:AutoscaleSetting": "Microsoft.Insights/autoscaleSettings/{autoscaleSettingName}",
    "monitor:MetricAlert": "Microsoft.Insights/metricAlerts/{ruleName}",
    "monitor:ScheduledQueryRule": "Microsoft.Insights/scheduledQueryRules/{ruleName}",
    "network:FlowLog": "Microsoft.Network/networkWatchers/{networkWatcherName}/flowLogs/{flowLogName}",
    "network:NatGateway": "Microsoft.Network/natGateways/{natGatewayName}",
    "network:NetworkSecurityGroup": "Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
    "network:PrivateDnsZoneGroup": (
        "Microsoft.Network/privateEndpoints/{privateEndpointName}/privateDnsZoneGroups/{privateDnsZoneGroupName}"
    ),
    "network:PrivateEndpoint": "Microsoft.Network/privateEndpoints/{privateEndpointName}",
    "network:PublicIPAddress": "Microsoft.Network/publicIPAddresses/{publicIpAddressName}",
    "network:Subnet": "Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}",
    "network:VirtualNetwork": "Microsoft.Network/virtualNetworks/{virtualNetworkName}",
    "operationalinsights:Workspace": "Microsoft.OperationalInsights/workspaces/{workspaceName}",
    "privatedns:PrivateZone": "Microsoft.Network/privateDnsZones/{privateZoneName}",
    "privatedns:VirtualNetworkLink": (
        "Microsoft.Network/privateDnsZones/{privateZoneName}/virtualNetworkLinks/{virtualNetworkLinkName}"
    ),
    "storage:BlobContainer": f"{_ACCOUNT}/blobServices/default/containers/{{containerName}}",
    "storage:BlobServiceProperties": f"{_ACCOUNT}/blobServices/{{blobServicesName}}",
    "storage:ManagementPolicy": f"{_ACCOUNT}/managementPolicies/{{managementPolicyName}}",
    "storage:StorageAccount": _ACCOUNT,
}
_ON = {
    "authorization:RoleAssignment": "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
    "authorization:RoleDefinition": "{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
    "consumption:Budget": "{scope}/providers/Microsoft.Consumption/budgets/{budgetName}",
    "monitor:DiagnosticSetting": "{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
    "resources:ResourceGroup": _GROUP,
}
AZURE: Mapping[str, str | Form] = {
    f"azure-native:{token}": form
    for token, form in {**{of: f"{_GROUP}/providers/{path}" for of, path in _IN_GROUP.items()}, **_ON}.items()
}

_ROLE = re.compile(r"/subscriptions/([^/]+)/providers/Microsoft\.Authorization/roleDefinitions/[^/]+")


def facts(declared: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """The subscription, from (type, inputs) of what is declared: the provider's own, else that of the built-in roles,
    which a stack grants by their ids in its own subscription."""
    given = list(declared)
    for token, inputs in given:
        if token == "pulumi:providers:azure-native" and isinstance(own := inputs.get("subscriptionId"), str):
            return {"subscription": own}
    granted = (inputs for token, inputs in given if token == "azure-native:authorization:RoleAssignment")
    found = next(filter(None, (_ROLE.fullmatch(str(inputs.get("roleDefinitionId"))) for inputs in granted)), None)
    return {"subscription": found[1]} if found else {}
