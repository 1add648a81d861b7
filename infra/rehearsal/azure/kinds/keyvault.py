"""Vaults and keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, within
from infra.rehearsal.core.kinds import Kind, Rule

VAULT = "azure-native:keyvault:Vault"
SOFT = "https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview"
KEYS = "https://learn.microsoft.com/azure/key-vault/keys/about-keys-details"


def _curve(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = inputs.get("properties") or {}
    is_ec = str(given.get("kty", "")).startswith("EC")
    if is_ec and given.get("keySize"):
        yield "properties.keySize", "BadParameter: key size is of RSA keys alone"
    if not is_ec and given.get("curveName"):
        yield "properties.curveName", "BadParameter: curve name is of EC keys alone"
    if is_ec and set(given.get("keyOps") or ()) - {"sign", "verify"}:
        yield "properties.keyOps", "BadParameter: EC keys sign and verify alone"


def _protection(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = inputs.get("properties") or {}
    if given.get("enablePurgeProtection") is False:
        yield (
            "properties.enablePurgeProtection",
            "BadRequest: enablePurgeProtection cannot be set to false; leave it out",
        )
    if given.get("enableSoftDelete") is False:
        yield "properties.enableSoftDelete", "BadRequest: enableSoftDelete cannot be set to false any more"


KINDS: tuple[Kind, ...] = (
    arm(
        VAULT,
        "Microsoft.KeyVault/vaults",
        "azure.mgmt.keyvault.models:VaultCreateOrUpdateParameters",
        name="vaultName",
        pattern=r"[a-zA-Z](-?[a-zA-Z0-9]){2,23}",
        is_global=True,
        outputs={"properties": lambda known: {
            **known["properties"], "vaultUri": f"https://{known['vaultName']}.vault.azure.net/",
            "provisioningState": "Succeeded", "hsmPoolResourceId": "", "privateEndpointConnections": [],
        }},
        checks=(within("properties.softDeleteRetentionInDays", 7, 90, SOFT), Rule(SOFT, _protection)),
        immutable=("properties.softDeleteRetentionInDays", "properties.tenantId"),
    ),
    arm(
        "azure-native:keyvault:Key",
        "Microsoft.KeyVault/vaults/keys",
        "azure.mgmt.keyvault.models:KeyCreateParameters",
        name="keyName",
        pattern=r"[a-zA-Z0-9-]{1,127}",
        under={"vaultName": VAULT},
        outputs={
            "keyUri": "https://{vaultName}.vault.azure.net/keys/{keyName}",
            "keyUriWithVersion": "https://{vaultName}.vault.azure.net/keys/{keyName}/{hex:32}",
            "kty": lambda known: known["properties"]["kty"],
            "keyOps": lambda known: known["properties"].get("keyOps", []),
        },
        checks=(Rule(KEYS, _curve, needs=("properties",)),),
        immutable=("properties.kty", "properties.curveName", "properties.keySize"),
    ),
)  # fmt: skip
