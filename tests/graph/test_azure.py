"""What an Azure stack declares (tier: graph). The API's own rules are held in tests/rehearsal."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from components.azure.budget import month_of
from components.azure.grants import ROLES
from components.azure.storage import GRANTS
from infra import reading
from tests.graph.foundation import settings_of
from tests.graph.harness import Graph, declare

GROUP = "/subscriptions/00000000-1111-4222-8333-444444444444/resourceGroups/own/providers/Microsoft.Network"
BROUGHT = {
    "virtual_network_id": f"{GROUP}/virtualNetworks/v",
    "endpoint_subnet_id": f"{GROUP}/virtualNetworks/v/subnets/e",
    "node_subnet_ids": [f"{GROUP}/virtualNetworks/v/subnets/n"],
    "control_subnet_id": f"{GROUP}/virtualNetworks/v/subnets/c",
    "actor_subnet_id": f"{GROUP}/virtualNetworks/v/subnets/a",
}


def azure(**sections: Any) -> Graph:
    return declare(settings_of(cloud="azure", region="westeurope", **sections))


def release(version: int, weight: float, shadow: float = 0, **more: Any) -> dict[str, Any]:
    return {
        "model": "digits",
        "version": version,
        "artifact_url": f"abfss://artifacts@account1.dfs.core.windows.net/models/digits/{version}",
        "artifact_sha256": f"{version}" * 64,
        "image_digest": f"sha256:{version}" + "a" * 63,
        "weight_percent": weight,
        "shadow_percent": shadow,
        **more,
    }


def shown(made: Graph) -> dict[str, str]:
    return {f"{item.type} {item.name}": json.dumps(item.inputs, sort_keys=True) for item in made.resources}


def changed(before: Graph, after: Graph) -> set[str]:
    """Names of what is new or different."""
    old, new = shown(before), shown(after)
    return {key.split(" ", 1)[1] for key, text in new.items() if old.get(key) != text and "skywright:" not in key}


def test_nothing_is_reached_from_outside() -> None:
    made = azure()
    for account in made.of(":StorageAccount").values():
        inputs = account.inputs
        assert not (inputs["allowBlobPublicAccess"] or inputs["allowSharedKeyAccess"] or inputs["isLocalUserEnabled"])
        assert inputs["enableHttpsTrafficOnly"] and inputs["minimumTlsVersion"] == "TLS1_2"
        assert (inputs["publicNetworkAccess"], inputs["networkRuleSet"]["defaultAction"]) == ("Disabled", "Deny")
        assert inputs["encryption"]["keySource"] == "Microsoft.Keyvault"
        assert inputs["encryption"]["requireInfrastructureEncryption"] is True
    for vault in made.of(":Vault").values():
        properties = vault.inputs["properties"]
        assert properties["enableRbacAuthorization"] and properties["enablePurgeProtection"]
        assert (properties["publicNetworkAccess"], properties["networkAcls"]["defaultAction"]) == ("Disabled", "Deny")
    (images,) = made.of(":Registry").values()
    assert (images.inputs["adminUserEnabled"], images.inputs["anonymousPullEnabled"]) == (False, False)
    assert images.inputs["publicNetworkAccess"] == "Disabled"
    workspace = made.of("machinelearningservices:Workspace")["registry-workspace"].inputs
    assert workspace["publicNetworkAccess"] == "Disabled"
    assert workspace["managedNetwork"]["isolationMode"] == "AllowInternetOutbound"
    (endpoint,) = made.of(":OnlineEndpoint").values()
    properties = endpoint.inputs["properties"]
    assert (properties["authMode"], properties["publicNetworkAccess"]) == ("AADToken", "Disabled")
    (guard,) = made.of(":NetworkSecurityGroup").values()
    rules = {rule["name"]: (rule["access"], rule["sourceAddressPrefix"]) for rule in guard.inputs["securityRules"]}
    assert rules["deny-internet"] == ("Deny", "Internet")
    assert ("Allow", "Internet") not in rules.values() and ("Allow", "*") not in rules.values()
    for compute in made.of(":Compute").values():
        own = compute.inputs["properties"]
        assert own["disableLocalAuth"] and own["properties"]["remoteLoginPortPublicAccess"] == "Disabled"
        assert own["properties"]["enableNodePublicIp"] is False


def test_without_nat_the_workspace_reaches_what_is_approved_alone() -> None:
    made = azure(network={"nat": "none"})
    workspace = made.of("machinelearningservices:Workspace")["registry-workspace"].inputs
    assert workspace["managedNetwork"]["isolationMode"] == "AllowOnlyApprovedOutbound"
    assert not made.of(":NatGateway")


def test_roles_are_given_on_single_things() -> None:
    made = azure()
    broad = {
        ROLES["Network Contributor"],
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    }
    (own,) = made.of(":RoleDefinition").values()
    for item in made.of(":RoleAssignment").values():
        role = item.inputs["roleDefinitionId"].rsplit("/", 1)[1]
        assert role not in broad, item.name
        if "/providers/" not in item.inputs["scope"].partition("/resourceGroups/")[2]:
            assert item.name == "budget-actor-acts"  # its own role, of named actions
    (permission,) = own.inputs["permissions"]
    assert not any("*" in action for action in permission["actions"])


def test_only_the_approver_signs() -> None:
    made = azure()
    key = made.of(":Key")["identity-approval-key"].inputs["properties"]
    assert (key["kty"], key["curveName"], key["keyOps"]) == ("EC", "P-256", ["sign", "verify"])
    signers = [
        item.name
        for item in made.of(":RoleAssignment").values()
        if "/keys/approvals" in item.inputs["scope"]
        and item.inputs["roleDefinitionId"].endswith(ROLES["Key Vault Crypto User"])
    ]
    assert signers == ["identity-approver-signs"]


def test_who_writes_but_one_folder_has_a_condition() -> None:
    made = azure().of(":RoleAssignment")
    bound = {name: item.inputs["condition"] for name, item in made.items() if item.inputs.get("condition")}
    assert set(bound) == {"storage-serving-writes-capture", "storage-approver-writes-approvals", "budget-actor-state"}
    assert "StringStartsWith 'capture/'" in bound["storage-serving-writes-capture"]
    assert ("training", "data", "Storage Blob Data Contributor", None) not in GRANTS


def test_people_have_what_the_role_has() -> None:
    group = "12345678-1111-4222-8333-444444444444"
    made = azure(azure={"access": {"approvers": [{"id": group}]}}).of(":RoleAssignment")
    theirs = {name: item for name, item in made.items() if item.inputs["principalId"] == group}
    assert {"identity-approver-signs-12345678", "storage-approver-writes-approvals-12345678"} <= set(theirs)
    assert {item.inputs["principalType"] for item in theirs.values()} == {"Group"}


def test_what_is_brought_is_not_made() -> None:
    made = azure(azure={"existing": {**BROUGHT, "storage_account": "own1", "key_vault": "vault-1", "key_name": "k"},
                        "resource_group": "brought-group"})  # fmt: skip
    for kind in (":VirtualNetwork", ":Subnet", ":NatGateway", ":ResourceGroup", ":PrivateZone", ":FlowLog"):
        assert not made.of(kind), kind
    assert not made.of(":StorageAccount")
    assert set(made.of("keyvault:Vault")) == {"identity-approvals-vault"}
    assert made.contract["storage"]["data"] == "abfss://data@own1.dfs.core.windows.net"
    budget = made.of(":Budget")["budget-month"].inputs
    assert budget["filter"]["tags"] == {"name": "stack", "operator": "In", "values": ["test"]}


@pytest.mark.parametrize(
    ("now", "first"),
    [
        ("2026-11-30T23:59:59+00:00", "2026-11-01T00:00:00Z"),
        ("2026-12-01T00:00:00+00:00", "2026-12-01T00:00:00Z"),
        ("2026-12-01T00:30:00+01:00", "2026-11-01T00:00:00Z"),
    ],
)
def test_a_month_begins_by_universal_time(now: str, first: str) -> None:
    assert month_of(datetime.fromisoformat(now)) == first


def test_a_budget_begins_in_the_month_that_makes_it_and_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: dict[str, list[str]] = {}
    register = reading._Monitor.RegisterResource

    def noted(monitor: Any, request: Any) -> Any:
        ignored[request.name] = list(request.ignoreChanges)
        return register(monitor, request)

    monkeypatch.setattr(reading._Monitor, "RegisterResource", noted)
    months = {month_of(datetime.now(UTC))}
    (budget,) = (
        item
        for item in reading.declared(settings_of(cloud="azure", region="westeurope"))
        if item.type == "azure-native:consumption:Budget"
    )
    months.add(month_of(datetime.now(UTC)))
    assert budget.props["timePeriod"]["startDate"] in months
    assert ignored[budget.name] == ["timePeriod.startDate"]


def test_a_nat_gateway_in_every_zone_serves_its_own_nodes() -> None:
    made = azure(network={"nat": "per_zone", "zones": 3})
    assert {gateway.inputs["zones"][0] for gateway in made.of(":NatGateway").values()} == {"1", "2", "3"}
    subnets = made.of(":Subnet")
    ways = [subnets[f"network-nodes-{zone}-subnet"].inputs["natGateway"]["id"] for zone in (1, 2, 3)]
    assert len(set(ways)) == 3
    assert "natGateway" not in subnets["network-endpoints-subnet"].inputs


def test_spot_pools_start_from_nothing_on_low_priority() -> None:
    made = azure(training={"pools": {"cheap": {"is_spot": True, "max_count": 7}, "steady": {}}}).of(":Compute")
    own = {name: item.inputs["properties"]["properties"] for name, item in made.items()}
    assert own["training-cheap-compute"]["vmPriority"] == "LowPriority"
    assert own["training-steady-compute"]["vmPriority"] == "Dedicated"
    scale = own["training-cheap-compute"]["scaleSettings"]
    assert (scale["minNodeCount"], scale["maxNodeCount"]) == (0, 7)


def test_a_release_changes_the_endpoint_and_its_alarms_alone() -> None:
    before = azure(endpoint={"releases": {"v1": release(1, 100)}})
    after = azure(endpoint={"releases": {"v1": release(1, 90), "v2": release(2, 10)}})
    assert changed(before, after) == {
        "endpoint-model-digits-2",
        "endpoint-image-2aaaaaaaaaaa",
        "endpoint-release-v2",
        "endpoint-traffic",
        "budget-actor",
    }
    weights = after.of(":EndpointTraffic")["endpoint-traffic"].inputs
    assert sorted(weights["traffic"].values()) == [10, 90] and weights["mirror"] == {}


def test_a_pool_changes_its_cluster_and_what_bounds_it_alone() -> None:
    before = azure(training={"pools": {"a": {}}})
    after = azure(training={"pools": {"a": {}, "b": {"is_spot": True}}})
    assert changed(before, after) == {"training-b-compute", "budget-actor"}


def test_a_deployment_holds_the_whole_release_but_not_its_weight() -> None:
    made = azure(endpoint={"releases": {"v1": release(1, 100)}})
    (deployment,) = made.of(":OnlineDeployment").values()
    told = json.loads(deployment.inputs["properties"]["environmentVariables"]["SKYWRIGHT_RELEASE"])
    assert told["artifact_sha256"] == "1" * 64 and told["weight_percent"] == 0
    (model,) = made.of(":ModelVersion").values()
    assert model.inputs["properties"]["modelUri"].startswith("azureml://subscriptions/")
    assert model.inputs["properties"]["modelUri"].endswith("/datastores/artifacts/paths/models/digits/1")


def test_a_cluster_is_private_and_under_the_stacks_key() -> None:
    made = azure(training={"runtime": "kubernetes"}, endpoint={"runtime": "kubernetes"})
    (cluster,) = made.of(":ManagedCluster").values()
    assert cluster.inputs["disableLocalAccounts"] is True
    assert cluster.inputs["aadProfile"]["enableAzureRBAC"] is True
    access = cluster.inputs["apiServerAccessProfile"]
    assert (access["enablePrivateCluster"], access["enablePrivateClusterPublicFQDN"]) == (True, False)
    assert cluster.inputs["securityProfile"]["azureKeyVaultKms"]["enabled"] is True
    pool = made.of(":AgentPool")["training-nodes-spot"].inputs
    assert (pool["scaleSetPriority"], pool["scaleSetEvictionPolicy"], pool["minCount"]) == ("Spot", "Delete", 0)
    assert "kubernetes.azure.com/scalesetpriority=spot:NoSchedule" in pool["nodeTaints"]
    subjects = {item.inputs["subject"] for item in made.of(":FederatedIdentityCredential").values()}
    assert all(subject.startswith("system:serviceaccount:skywright-") for subject in subjects) and len(subjects) == 2


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"network": {"cidr": "10.0.0.0/24"}}, "on azure a prefix from /8 to /23"),
        ({"network": {"zones": 4}}, "network.zones is 4"),
        ({"monitoring": {"log_retention_days": 7}}, "on azure 30 to 730"),
        ({"endpoint": {"min_replicas": 0}}, "keeps an instance"),
        ({"endpoint": {"releases": {"v1": release(1, 99.5), "v2": release(2, 0.5)}}}, "whole percents"),
        ({"endpoint": {"releases": {"v1": release(1, 100), "v2": release(2, 0, 60)}}}, "0 to 50 on azure"),
        ({"endpoint": {"releases": {"v1": release(1, 60), "v2": release(2, 40, 10)}}}, "takes one of them"),
        ({"endpoint": {"releases": {"v1": release(1, 100), "v2": release(2, 0, 10), "v3": release(3, 0, 10)}}},
         "mirrors to one deployment"),
        ({"endpoint": {"releases": {"v1": release(1, 100, image_digest=None)}}}, "serves nothing but images"),
        ({"endpoint": {"releases": {"v1": release(1, 100, artifact_url="s3://b/m")}}}, "abfss://artifacts@"),
        ({"training": {"runtime": "kubernetes"}, "network": {"nat": "none"}}, "bring a cluster"),
        ({"azure": {"existing": {"key_vault": "vault-1"}}}, "come together"),
        ({"azure": {"existing": {"virtual_network_id": BROUGHT["virtual_network_id"]}}}, "its subnets are needed too"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(sections: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)) as refused:
        azure(**sections)
    assert "\n" not in str(refused.value)


NAMES = {
    ":StorageAccount": ("accountName", r"[a-z0-9]{3,24}"),
    ":Vault": ("vaultName", r"[a-zA-Z](-?[a-zA-Z0-9]){2,23}"),
    ":Registry": ("registryName", r"[a-zA-Z0-9]{5,50}"),
    "machinelearningservices:Workspace": ("workspaceName", r"[a-zA-Z0-9][\w-]{2,32}"),
    ":Compute": ("computeName", r"[a-zA-Z](-?[a-zA-Z0-9]){1,31}"),
    ":OnlineEndpoint": ("endpointName", r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"),
    ":OnlineDeployment": ("deploymentName", r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"),
    ":UserAssignedIdentity": ("resourceName", r"[a-zA-Z0-9][\w-]{2,127}"),
    "app:Job": ("jobName", r"[a-z](-?[a-z0-9]){1,31}"),
    ":VirtualNetwork": ("virtualNetworkName", r"[a-zA-Z0-9][\w.-]{0,62}\w"),
    ":Budget": ("budgetName", r"[\w-]{1,63}"),
}


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.from_regex(r"[a-z0-9](-?[a-z0-9]){19}", fullmatch=True))
def test_names_stay_within_azures_limits_however_long_the_stacks_is(stack: str) -> None:
    made = azure(stack=stack, endpoint={"releases": {"a-release-that-has-a-name-of-long-letter": release(1, 100)}},
                 training={"pools": {"a-pool-that-has-a-name-of-many-letters": {}}})  # fmt: skip
    for kind, (key, pattern) in NAMES.items():
        found = made.of(kind)
        assert found, kind
        for item in found.values():
            assert re.fullmatch(pattern, item.inputs[key]), (item.name, item.inputs[key])
