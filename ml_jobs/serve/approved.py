"""Whether a release was approved by whom its stack trusts: the approval's record, proven with the approver's key.

The record lies in the registry's storage, and the release says where. Whoever can write there can forge a record but
not the signature: that is looked at before a model is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Release
from ml_jobs.registry import approval as approvals
from ml_jobs.registry.release_check import HASH_MARK

PEM = "-----BEGIN PUBLIC KEY-----"


def unproven(release: Release, approver_key: str | None) -> str | None:
    """None once the release's approval is proven, or where it names none; else why nobody can prove it here.

    `approver_key`: an Ed25519 public key, as PEM or as its file's path or file:// URL; a cloud's reference to a key
    that never leaves it proves nothing here. Raises SkywrightError for an approval that is not what it says.
    """
    if not release.approval_ref:
        return None
    what = f"the approval of {release.model} version {release.version}"
    if not approver_key:
        return f"{what} is not verified: no key to verify it with is given (SKYWRIGHT_APPROVER_KEY)"
    key = _pem(approver_key)
    if key is None:
        return f"{what} is not verified: {approver_key} is no public key that can be read here"
    if why := _refused(release, key):
        raise SkywrightError(
            f"{what} doesn't hold: {why}",
            f"skywright models approve {release.model} {release.version}, then release it anew; and find out who "
            "wrote that.",
        )
    return None


def _pem(given: str) -> bytes | None:
    if given.lstrip().startswith(PEM):
        return given.encode()
    if "://" in given and not given.startswith("file://"):
        return None
    path = Path(given.removeprefix("file://"))
    return path.read_bytes() if path.is_file() else None


def _refused(release: Release, key: bytes) -> str | None:
    """Why the approval doesn't count; None where it does."""
    url, mark, entry_hash = str(release.approval_ref).partition(HASH_MARK)
    if not mark:
        return f"{release.approval_ref} names no record ({HASH_MARK})"
    approvals.load_public_key(key)
    try:
        entries = approvals.check(_lines(url), key, model=release.model, where=url)
    except SkywrightError as damaged:
        return damaged.what
    if why := approvals.stands(entries, entry_hash):
        return why
    approved = next(entry.approval for entry in entries if entry.hash == entry_hash)
    if approved.version != release.version:
        return f"it approves version {approved.version}"
    if approved.artifact_sha256 != release.artifact_sha256:
        return f"it approves an artifact with sha256 {approved.artifact_sha256}; the release's is another"
    return None


def _lines(url: str) -> Iterator[dict[str, Any] | None]:
    """The log's entries, oldest first; None for a line that is not one. One that is being written is none yet."""
    import fsspec

    try:
        with fsspec.open(url, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise UserError(f"{url} is not there") from None
    except Exception as error:  # every store has errors of its own
        raise UserError(f"{url} can't be read: {type(error).__name__}: {error}") from None
    for raw in data[: data.rfind(b"\n") + 1].splitlines():
        try:
            entry = json.loads(raw)
        except ValueError:
            entry = None
        yield entry if isinstance(entry, dict) else None
