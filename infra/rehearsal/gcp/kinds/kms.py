"""Keys, their rings, and who may use them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.core.kinds import ALL, Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.requests import BINDING, grant, named, operation, within

RING, KEY = "gcp:kms/keyRing:KeyRing", "gcp:kms/cryptoKey:CryptoKey"
KEYS = "https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys"
NAME = r"[a-zA-Z0-9_-]{1,63}"


def _purpose(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    algorithm = str((inputs.get("versionTemplate") or {}).get("algorithm", ""))
    purpose = inputs.get("purpose", "ENCRYPT_DECRYPT")
    if purpose == "ASYMMETRIC_SIGN" and not algorithm.startswith(("EC_SIGN", "RSA_SIGN", "PQ_SIGN")):
        yield "versionTemplate.algorithm", f"googleapi: Error 400: algorithm {algorithm} can't be used with {purpose}"
    if purpose != "ENCRYPT_DECRYPT" and inputs.get("rotationPeriod"):
        yield "rotationPeriod", f"googleapi: Error 400: automatic rotation is not supported for purpose {purpose}"


KINDS: tuple[Kind, ...] = (
    Kind(
        RING,
        judge=Calls(
            "discovery cloudkms.v1",
            operation(
                "cloudkms.v1",
                "projects.locations.keyRings.create",
                {"name": "keyRingId"},
                fixed={"parent": "projects/{project}/locations/{location}"},
            ),
        ),
        id="projects/{project}/locations/{location}/keyRings/{name}",
        unique=(Unique(("name",), "googleapi: Error 409: KeyRing {name} already exists."),),
        rules=(named("name", NAME, KEYS),),
        autoname=Autoname(max_length=63),
        immutable=frozenset({"name", "location", "project"}),
    ),
    Kind(
        KEY,
        judge=Calls(
            "discovery cloudkms.v1",
            operation(
                "cloudkms.v1",
                "projects.locations.keyRings.cryptoKeys.create",
                {"name": "cryptoKeyId", "keyRing": "parent"},
            ),
        ),
        id="{keyRing}/cryptoKeys/{name}",
        references={"keyRing": Ref(RING, by=("name",), holds=False)},
        defaults={"purpose": "ENCRYPT_DECRYPT"},
        unique=(Unique(("keyRing", "name"), "googleapi: Error 409: CryptoKey {name} already exists."),),
        rules=(
            named("name", NAME, KEYS),
            within("rotationPeriod", 86_400, 3_153_600_000, KEYS),
            within("destroyScheduledDuration", 86_400, 10_368_000, KEYS),
            Rule(KEYS, _purpose, needs=("purpose",)),
        ),
        immutable=frozenset({"name", "keyRing", "purpose", "destroyScheduledDuration"}),
    ),
    Kind(
        "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
        judge=Calls(
            "discovery cloudkms.v1",
            grant("cloudkms.v1", "projects.locations.keyRings.cryptoKeys.setIamPolicy", resource="{cryptoKeyId}"),
            local={"cryptoKeyId": "stands in the call's path"},
        ),
        id="{cryptoKeyId}/{role}/{member}",
        references={"cryptoKeyId": Ref(KEY, by=("name",))},
        rules=(BINDING,),
        immutable=ALL,
    ),
)
