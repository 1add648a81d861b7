"""A release record against the registry: is it what was registered, what lies on disk, and what was approved?"""

from __future__ import annotations

from catalog.errors import UserError
from ml_jobs.contract import Release
from ml_jobs.registry import approval as approvals
from ml_jobs.registry import artifact
from ml_jobs.registry.record import VersionRecord

HASH_MARK = "#sha256="


def mismatches(
    release: Release,
    record: VersionRecord,
    entries: list[approvals.Entry] | None,
    *,
    log_url: str,
    requires_approval: bool,
) -> list[str]:
    """What a release says that isn't so, a line each; empty when all of it holds.

    `entries`: the model's proven decisions; None when its approval log is damaged, so that no approval counts.
    """
    found = [*_artifact(release, record)]
    if release.approval_ref:
        found += _approval(release, record, entries, log_url)
    elif requires_approval:
        found.append(f"approval_ref is missing: {release.model} {release.version} must be approved first")
    return found


def _artifact(release: Release, record: VersionRecord) -> list[str]:
    found = []
    if release.artifact_url.rstrip("/") != record.artifact_url:
        found.append(f"artifact_url is {release.artifact_url}; registered: {record.artifact_url}")
    if release.artifact_sha256 != record.artifact_sha256:
        found.append(f"artifact_sha256 is {release.artifact_sha256}; registered: {record.artifact_sha256}")
    try:
        on_disk = artifact.digest(record.artifact_url)
    except UserError as error:
        return [*found, str(error)]
    if on_disk != record.artifact_sha256:
        found.append(
            f"the files at {record.artifact_url} were altered: their digest is {on_disk}, "
            f"registered: {record.artifact_sha256}"
        )
    return found


def _approval(
    release: Release, record: VersionRecord, entries: list[approvals.Entry] | None, log_url: str
) -> list[str]:
    log, mark, entry_hash = (release.approval_ref or "").partition(HASH_MARK)
    if not mark or log != log_url:
        return [f"approval_ref is {release.approval_ref}; the approvals of {release.model} lie in {log_url}"]
    if entries is None:
        return [f"approval_ref can't be proven: {log_url} is damaged"]
    if reason := approvals.stands(entries, entry_hash):
        return [f"approval_ref doesn't count: {reason}"]
    approved = next(entry.approval for entry in entries if entry.hash == entry_hash)
    if approved.version != release.version:
        return [f"approval_ref approves version {approved.version}, not {release.version}"]
    if approved.artifact_sha256 != record.artifact_sha256:
        return [f"approval_ref approves another artifact: {approved.artifact_sha256}"]
    return []
