"""Who approved what, and why: a signed, hash-chained record for each decision about a version.

The signature covers the decision and the hash of the entry before it. So a record can't be forged, altered, moved, left
out or shown twice, even by somebody who can write the file and compute the chain's hashes again: that takes the
approver's key. Whoever holds the public key can check it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, field_validator

from catalog.errors import UserError
from ml_jobs.audit import GENESIS, ChainedLog, chain_hash
from ml_jobs.contract import Name, Record, Sha256
from ml_jobs.registry.record import Damaged, State

APPROVALS = "approvals"

_PURPOSE = b"skywright approval v1\n"
"""Goes before what is signed, so that a signature made for something else never passes for an approval."""


class Decision(str, Enum):
    APPROVED = "approved"
    REJECTED = "rejected"


class Approval(Record):
    """One decision. A later rejection revokes the approvals before it."""

    format_version: int = 1
    model: Name
    version: int = Field(ge=1)
    artifact_sha256: Sha256
    decision: Decision
    by: str = Field(min_length=1, max_length=200)
    at: float = Field(gt=0, allow_inf_nan=False, description="Unix time, s")
    reason: str = Field(min_length=1, max_length=2000)
    evaluation: dict[str, Any] = Field(default_factory=dict)
    compared_with: int | None = Field(None, ge=1, description="the production version that it was compared with")
    override: str | None = Field(None, min_length=1, max_length=2000, description="why a regression is accepted")
    prev: Sha256 = Field(GENESIS, description="hash of the log's last entry when this was signed")

    @field_validator("reason", "by", "override")
    @classmethod
    def _is_one_line(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("must say something")
        return value

    def signed_bytes(self) -> bytes:
        body = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return _PURPOSE + body.encode()


def sign(approval: Approval, private_key: bytes) -> str:
    """The approver's signature, base64. `private_key`: Ed25519, PEM."""
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError("the approver's key is not an Ed25519 key in PEM", "Use the stack's identity/approver.key.")
    return base64.b64encode(key.sign(approval.signed_bytes())).decode()


def is_signed(approval: Approval, signature: object, public_key: bytes) -> bool:
    """Whether `signature` is the approver's, over this very record."""
    key = load_public_key(public_key)
    try:
        key.verify(base64.b64decode(str(signature), validate=True), approval.signed_bytes())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def load_public_key(pem: bytes) -> Ed25519PublicKey:
    """Raises UserError for anything but an Ed25519 public key in PEM."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError("the approver's public key is not an Ed25519 key in PEM", "Run `pulumi up` to write it anew.")
    return key


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision in its log: `hash` is the entry's, which the next one carries."""

    approval: Approval
    signature: str
    hash: str


def check(lines: Iterable[dict[str, Any] | None], public_key: bytes, *, model: str, where: str = "") -> list[Entry]:
    """The decisions of a model's log, oldest first, each proven.

    Raises Damaged with the first line (from 1) that isn't what the approver signed, where they signed it.
    """
    entries: list[Entry] = []
    previous = GENESIS
    for number, line in enumerate(lines, 1):
        problem, entry = _check_line(line, previous, public_key, model)
        if entry is None:
            raise Damaged(
                f"{where or 'the approval log of ' + model} line {number} {problem}",
                "Restore the file from a backup; nothing in it counts until then.",
            )
        entries.append(entry)
        previous = entry.hash
    return entries


def _check_line(line: dict[str, Any] | None, previous: str, public_key: bytes, model: str) -> tuple[str, Entry | None]:
    if line is None:
        return "is not a JSON object", None
    if line.get("prev") != previous:
        return "does not follow the line before it", None
    if line.get("hash") != chain_hash(line):
        return "was altered", None
    try:
        approval = Approval.read(line.get("approval"))
    except UserError as error:
        return f"holds no approval record: {error.what}", None
    if set(line["approval"]) - set(Approval.model_fields):
        return "holds fields that nobody signed", None
    if approval.prev != previous:
        return "was signed for another place in the log", None
    if approval.model != model:
        return f"is about model {approval.model}", None
    if not is_signed(approval, line.get("signature"), public_key):
        return "is not signed by this stack's approver", None
    return "", Entry(approval, str(line["signature"]), str(line["hash"]))


class ApprovalLog:
    """The approvals of one model: `approvals/<model>.jsonl` in the artifact store."""

    def __init__(self, artifacts: Path, model: str) -> None:
        self.model = model
        self.log = ChainedLog(artifacts / APPROVALS / f"{model}.jsonl")

    def entries(self, public_key: bytes) -> list[Entry]:
        """All decisions, oldest first. Raises Damaged."""
        return check(self.log.lines(), public_key, model=self.model, where=str(self.log.path))

    def append(self, approval: Approval, signature: str) -> Entry:
        """Write a record that the caller has checked against the log's head."""
        line = self.log.append(approval=approval.model_dump(mode="json"), signature=signature)
        return Entry(approval, signature, line["hash"])

    def ref(self, entry: Entry) -> str:
        """What a release names: the log's URL and the entry's hash."""
        return f"{self.log.path.resolve().as_uri()}#sha256={entry.hash}"


def head(entries: list[Entry]) -> str:
    """The hash that the next record must carry."""
    return entries[-1].hash if entries else GENESIS


def last(entries: Iterable[Entry], version: int) -> Entry | None:
    """The decision that stands for `version`."""
    found = [entry for entry in entries if entry.approval.version == version]
    return found[-1] if found else None


def state(entries: Iterable[Entry], version: int) -> State:
    entry = last(entries, version)
    return State.PENDING if entry is None else State(entry.approval.decision.value)


def stands(entries: list[Entry], entry_hash: str) -> str | None:
    """None when that entry approves its version and nothing after it revokes it; else why it doesn't count."""
    index = next((index for index, entry in enumerate(entries) if entry.hash == entry_hash), None)
    if index is None:
        return "no such record is in the approval log"
    entry = entries[index]
    if entry.approval.decision is not Decision.APPROVED:
        return "that record is a rejection"
    later = (other.approval for other in entries[index + 1 :])
    if any(other.version == entry.approval.version and other.decision is Decision.REJECTED for other in later):
        return "that approval was revoked later"
    return None
