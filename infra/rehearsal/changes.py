"""The changes that a rehearsal makes, chosen from what the stack declares: another accelerator, a release."""

from __future__ import annotations

from typing import Any

from catalog.accelerators import on_cloud
from catalog.errors import UserError
from catalog.instances import candidates
from infra.settings import Settings
from ml_jobs.contract import Release, StackContract

ARTIFACT_SHA256 = "5f" * 32
READER = "group:rehearsal@example.com"
IMAGE_DIGEST = "sha256:" + "1d" * 32


def another_pool(settings: Settings) -> tuple[str, Any, str]:
    """(path in the stack's file, value, words): the first pool on another accelerator, or one instance larger where it
    has none or teams are limited by its kind."""
    name, pool = next(iter(settings.training.pools.items()))
    path = f"skywright:training.pools.{name}"
    named = {kind for team in settings.training.teams.values() for kind in team.max_accelerators}
    if pool.accelerator is not None and pool.accelerator.kind not in named:  # a team's limit must name what there is
        for kind in on_cloud(settings.cloud):
            if kind != pool.accelerator.kind and _is_offered(settings, kind, pool.is_spot):
                value = {"kind": kind, "count": 1}
                return f"{path}.accelerator", value, f"pool {name}: {pool.accelerator.kind} -> {kind}"
    return f"{path}.max_count", pool.max_count + 1, f"pool {name}: max_count {pool.max_count} -> {pool.max_count + 1}"


def another_reader(settings: Settings) -> tuple[str, Any, str] | None:
    """(path, value, words): one more group that may read, which is a grant of its own on Google Cloud; else None.

    A release changes one resource there and creates none. The grant's names tell its id: what a live cloud would hold
    after an interruption is found again as it is here.
    """
    if settings.cloud != "gcp":
        return None
    readers = [*settings.gcp.access.viewers, READER]
    return "skywright:gcp.access.viewers", readers, f"{READER} may read"


def _is_offered(settings: Settings, kind: str, is_spot: bool) -> bool:
    if settings.cloud in ("kubernetes", "local"):
        return True
    runtime = settings.training.runtime or "managed"
    try:
        candidates(settings.cloud, settings.region, runtime=runtime, accelerator=kind, count=1, is_spot=is_spot)
    except UserError:
        return False
    return True


def release(contract: StackContract, model: str, version: int) -> Release:
    """A whole record, as `skywright release` would write it; nothing of it lies anywhere."""
    artifacts = contract.storage.artifacts
    return Release(
        model=model,
        version=version,
        artifact_url=f"{artifacts}/models/{model}/{version}/model.tar.gz",
        artifact_sha256=f"{version:02x}" + ARTIFACT_SHA256[2:],
        image_digest=IMAGE_DIGEST,
        approval_ref=f"{artifacts}/approvals/{model}.jsonl#sha256={ARTIFACT_SHA256}",
        weight_percent=100,
    )
