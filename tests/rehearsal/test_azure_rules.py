"""What Azure refuses although its models say nothing of it: each rule with a case that breaks it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from infra.rehearsal.azure.stand_in import CLOUD

VNET = {"resourceGroupName": "g", "virtualNetworkName": "v"}
BROKEN: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "network:VirtualNetwork",
        {"addressSpace": {"addressPrefixes": ["10.0.0.1/16"]}},
        "addressSpace.addressPrefixes[0]",
    ),
    (
        "network:VirtualNetwork",
        {"addressSpace": {"addressPrefixes": ["224.0.0.0/16"]}},
        "addressSpace.addressPrefixes[0]",
    ),
    ("network:Subnet", {"addressPrefix": "10.0.0.0/30"}, "addressPrefix"),
    (
        "network:Subnet",
        {"addressPrefix": "10.0.0.0/28", "delegations": [{"serviceName": "Microsoft.App/environments"}]},
        "addressPrefix",
    ),
    ("network:NetworkSecurityGroup", {"securityRules": [{"priority": 99}]}, "securityRules[0].priority"),
    (
        "network:NetworkSecurityGroup",
        {"securityRules": [{"priority": 100, "direction": "Inbound"}] * 2},
        "securityRules[1].priority",
    ),
    (
        "network:PublicIPAddress",
        {"sku": {"name": "Standard"}, "publicIPAllocationMethod": "Dynamic"},
        "publicIPAllocationMethod",
    ),
    ("network:NatGateway", {"zones": ["1", "2"]}, "zones"),
    ("network:FlowLog", {"retentionPolicy": {"days": 366}}, "retentionPolicy.days"),
    ("keyvault:Vault", {"properties": {"enablePurgeProtection": False}}, "properties.enablePurgeProtection"),
    ("keyvault:Vault", {"properties": {"softDeleteRetentionInDays": 6}}, "properties.softDeleteRetentionInDays"),
    ("storage:StorageAccount", {"encryption": {"keySource": "Microsoft.Keyvault"}}, "encryption.keyVaultProperties"),
    ("containerregistry:Registry", {"sku": {"name": "Basic"}, "encryption": {"status": "enabled"}}, "encryption"),
    ("authorization:RoleAssignment", {"condition": "c", "conditionVersion": "1.0"}, "conditionVersion"),
    ("authorization:RoleAssignment", {"principalId": "me"}, "principalId"),
    ("managedidentity:FederatedIdentityCredential", {"audiences": ["a", "b"]}, "audiences"),
    ("containerservice:AgentPool", {"mode": "System", "scaleSetPriority": "Spot"}, "scaleSetPriority"),
    ("containerservice:AgentPool", {"spotMaxPrice": -1}, "spotMaxPrice"),
    ("containerservice:AgentPool", {"scaleSetEvictionPolicy": "Delete"}, "scaleSetEvictionPolicy"),
    ("containerservice:AgentPool", {"mode": "System", "minCount": 0}, "minCount"),
    ("monitor:MetricAlert", {"windowSize": "PT1M", "evaluationFrequency": "PT5M"}, "windowSize"),
    ("monitor:MetricAlert", {"windowSize": "PT2M"}, "windowSize"),
    (
        "monitor:MetricAlert",
        {"criteria": {"odataType": "Microsoft.Azure.Monitor.MultipleResourceMultipleMetricCriteria"}},
        "targetResourceType",
    ),
    ("monitor:MetricAlert", {"criteria": {"odataType": "Other"}}, "criteria.odataType"),
    ("monitor:ScheduledQueryRule", {"windowSize": "PT1H", "overrideQueryTimeRange": "PT5M"}, "overrideQueryTimeRange"),
    ("monitor:DiagnosticSetting", {"workspaceId": "w", "logs": [{"category": "a", "categoryGroup": "b"}]}, "logs[0]"),
    ("monitor:ActionGroup", {"groupShortName": "thirteen-long"}, "groupShortName"),
    ("consumption:Budget", {"timePeriod": {"startDate": "2026-01-02T00:00:00Z"}}, "timePeriod.startDate"),
    ("consumption:Budget", {"notifications": {"a": {"threshold": 50}}}, "notifications.a"),
    ("app:Job", {"configuration": {"triggerType": "Schedule"}}, "configuration.scheduleTriggerConfig"),
    ("machinelearningservices:Workspace", {"storageAccount": "s", "keyVault": "k"}, "applicationInsights"),
)


@pytest.mark.parametrize(("token", "inputs", "path"), BROKEN)
def test_a_broken_rule_is_refused_at_its_input(token: str, inputs: dict[str, Any], path: str) -> None:
    kind = CLOUD.kind(f"azure-native:{token}")
    assert kind is not None
    found = [at for rule in kind.rules for at, _ in rule.check(inputs)]
    assert path in found


@pytest.mark.parametrize(
    ("prefix", "word"),
    [("10.1.0.0/24", "NetcfgInvalidSubnet"), ("10.0.0.128/25", "NetcfgSubnetRangesOverlap"), ("10.0.1.0/24", "")],
)
def test_a_subnet_lies_in_its_network_beside_the_others(prefix: str, word: str) -> None:
    network = {"resourceGroupName": "g", "name": "v", "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}
    there = {
        "azure-native:network:VirtualNetwork": [("v", network)],
        "azure-native:network:Subnet": [("s", {**VNET, "name": "s", "addressPrefix": "10.0.0.0/24"})],
    }
    kind = CLOUD.kind("azure-native:network:Subnet")
    assert kind is not None and kind.meets is not None
    said = [message for _, message in kind.meets({**VNET, "addressPrefix": prefix}, lambda token: there[token])]
    assert [message.split(":")[0] for message in said] == ([word] if word else [])


def test_a_new_budget_begins_this_month_at_the_earliest() -> None:
    kind = CLOUD.kind("azure-native:consumption:Budget")
    assert kind is not None and kind.begins is not None
    now = datetime.now(UTC)
    for start, is_taken in ((f"{now:%Y-%m}", True), ("2025-01", False), (f"{now.year + 2}-01", False)):
        period = {"timePeriod": {"startDate": f"{start}-01T00:00:00Z"}}
        assert (not list(kind.begins(period))) == is_taken, start
