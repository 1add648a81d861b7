"""Container registries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, within
from infra.rehearsal.core.kinds import Kind, Ref, Rule

TIERS = "https://learn.microsoft.com/azure/container-registry/container-registry-skus"
RETENTION = "https://learn.microsoft.com/azure/container-registry/container-registry-retention-policy"
EXPORT = "https://learn.microsoft.com/azure/container-registry/data-loss-prevention"


def _premium(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if (inputs.get("sku") or {}).get("name") == "Premium":
        return
    for path in ("encryption", "networkRuleSet", "policies.retentionPolicy", "zoneRedundancy"):
        held: Any = inputs
        for part in path.split("."):
            held = (held or {}).get(part) if isinstance(held, Mapping) else None
        if held:
            yield path, f"FeatureNotSupportedForSku: {path} takes SKU Premium"


def _export(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    policy = ((inputs.get("policies") or {}).get("exportPolicy") or {}).get("status")
    if policy == "disabled" and inputs.get("publicNetworkAccess", "Enabled") != "Disabled":
        yield "policies.exportPolicy", "BadRequest: Export is disabled only without public network access"


KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:containerregistry:Registry",
        "Microsoft.ContainerRegistry/registries",
        "azure.mgmt.containerregistry.models:Registry",
        name="registryName",
        pattern=r"[a-zA-Z0-9]{5,50}",
        is_global=True,
        has_identity=True,
        rules={
            "networkRuleSet.ipRules.iPAddressOrRange": "value",
            "policies.azureADAuthenticationAsArmPolicy": "azureADAuthenticationAsArmPolicy",
        },
        outputs={"loginServer": "{registryName}.azurecr.io"},
        references={
            "encryption.keyVaultProperties.identity": Ref(
                "azure-native:managedidentity:UserAssignedIdentity", by=("clientId",)
            ),
            "encryption.keyVaultProperties.keyIdentifier": Ref(
                "azure-native:keyvault:Key", by=("keyUri", "keyUriWithVersion")
            ),
        },
        checks=(
            Rule(TIERS, _premium, needs=("sku",)),
            Rule(EXPORT, _export, needs=("publicNetworkAccess",)),
            within("policies.retentionPolicy.days", 0, 365, RETENTION),
        ),
        immutable=("encryption.status", "zoneRedundancy"),
    ),
)  # fmt: skip
