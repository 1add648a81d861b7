"""Storage accounts and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, within
from infra.rehearsal.core.kinds import Find, Kind, Ref, Rule

ACCOUNT = "azure-native:storage:StorageAccount"
POLICIES = "https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-structure"
ENCRYPTION = "https://learn.microsoft.com/azure/storage/common/customer-managed-keys-overview"
SOFT = "https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview"


def _key(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    encryption = inputs.get("encryption") or {}
    if encryption.get("keySource") == "Microsoft.Keyvault" and not encryption.get("keyVaultProperties"):
        yield (
            "encryption.keyVaultProperties",
            "InvalidValuesForRequestParameters: keyVaultProperties missing",
        )


def _protected(inputs: Mapping[str, Any], find: Find) -> Iterator[tuple[str, str]]:
    """An account's key lies in a vault that nobody can purge."""
    url = ((inputs.get("encryption") or {}).get("keyVaultProperties") or {}).get("keyVaultUri")
    for _, vault in find("azure-native:keyvault:Vault"):
        its = vault.get("properties") or {}
        if url and its.get("vaultUri") == url and not its.get("enablePurgeProtection"):
            yield (
                "encryption.keyVaultProperties.keyVaultUri",
                f"KeyVaultPolicyNotRecoverable: The key vault {url} must have soft delete and purge protection",
            )


def _rules(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, rule in enumerate((inputs.get("policy") or {}).get("rules") or ()):
        definition = rule.get("definition") or {}
        if not any((definition.get("actions") or {}).values()):
            yield f"policy.rules[{index}].definition.actions", "InvalidRequest: A rule needs an action"
        for kind in (definition.get("filters") or {}).get("blobTypes") or ():
            if kind not in ("blockBlob", "appendBlob"):
                yield f"policy.rules[{index}].definition.filters.blobTypes", f"InvalidRequest: {kind}"


KINDS: tuple[Kind, ...] = (
    arm(
        ACCOUNT,
        "Microsoft.Storage/storageAccounts",
        "azure.mgmt.storage.models:StorageAccountCreateParameters",
        name="accountName",
        pattern=r"[a-z0-9]{3,24}",
        is_global=True,
        has_identity=True,
        rules={
            "enableHttpsTrafficOnly": "properties.supportsHttpsTrafficOnly",
            "networkRuleSet": "properties.networkAcls",
            "networkRuleSet.ipRules.iPAddressOrRange": "value",
            "defaultToOAuthAuthentication": "properties.defaultToOAuthAuthentication",
            "encryption.keyVaultProperties": "keyvaultproperties",
            "encryption.keyVaultProperties.keyName": "keyname",
            "encryption.keyVaultProperties.keyVaultUri": "keyvaulturi",
            "encryption.keyVaultProperties.keyVersion": "keyversion",
            "encryption.encryptionIdentity": "identity",
            "encryption.encryptionIdentity.encryptionUserAssignedIdentity": "userAssignedIdentity",
        },
        references={
            "encryption.encryptionIdentity.encryptionUserAssignedIdentity": Ref(
                "azure-native:managedidentity:UserAssignedIdentity", by=()
            ),
            "encryption.keyVaultProperties.keyName": Ref("azure-native:keyvault:Key", by=("name",)),
        },
        outputs={"primaryEndpoints": {"blob": "https://{accountName}.blob.core.windows.net/"}},
        checks=(Rule(ENCRYPTION, _key, needs=("encryption",)),),
        meets=_protected,
        immutable=("kind", "isHnsEnabled", "encryption.requireInfrastructureEncryption"),
    ),
    arm(
        "azure-native:storage:BlobContainer",
        "Microsoft.Storage/storageAccounts/containers",
        "azure.mgmt.storage.models:BlobContainer",
        name="containerName",
        pattern=r"[a-z0-9](-?[a-z0-9]){2,62}",
        under={"accountName": ACCOUNT},
        id="/subscriptions/{account}/resourceGroups/{resourceGroupName}/providers/Microsoft.Storage/storageAccounts/"
        "{accountName}/blobServices/default/containers/{containerName}",
    ),
    arm(
        "azure-native:storage:BlobServiceProperties",
        "Microsoft.Storage/storageAccounts/blobServices",
        "azure.mgmt.storage.models:BlobServiceProperties",
        name="blobServicesName",
        pattern=r"default",
        under={"accountName": ACCOUNT},
        checks=(
            within("deleteRetentionPolicy.days", 1, 365, SOFT),
            within("containerDeleteRetentionPolicy.days", 1, 365, SOFT),
        ),
    ),
    arm(
        "azure-native:storage:ManagementPolicy",
        "Microsoft.Storage/storageAccounts/managementPolicies",
        "azure.mgmt.storage.models:ManagementPolicy",
        name="managementPolicyName",
        pattern=r"default",
        under={"accountName": ACCOUNT},
        checks=(Rule(POLICIES, _rules, needs=("policy",)),),
    ),
)
