"""A model's artifact becomes a version: by the stack's registry over HTTP, or, where it has none, by a record beside.

    <artifacts>/models/<name>/<run>/                     the artifact
    <artifacts>/models/<name>/versions/<n:06d>.json      a VersionRecord; its name is taken by one writer alone

A run registers one version, however often it is tried.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import StackContract
from ml_jobs.runtime.storage import Folder, sha256

log = logging.getLogger(__name__)

FOR_S = 60.0
"""How long registering is tried; after that the job fails, and its retry finishes from the last checkpoint."""
_RECORD = "{:06d}.json"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is to become a version."""

    model: str
    run: str
    url: str
    sha256: str
    by: str
    lineage: Mapping[str, Any]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    evaluation: Mapping[str, Any]
    signature: Mapping[str, Any]


def digest(content: Mapping[str, bytes]) -> str:
    """The digest of an artifact's folder with these files, as the registry and the servers compute it."""
    from ml_jobs.registry.artifact import File, digest_of

    return digest_of(tuple(File(name, len(data), sha256(data)) for name, data in content.items()))


def has_registry(contract: StackContract) -> bool:
    """Whether the stack runs a registry of ours. What clouds and clusters have at `tracking_url` speaks only MLflow."""
    return contract.cloud == "local" and contract.registry.tracking_url.startswith(("http://", "https://"))


def register(candidate: Candidate, contract: StackContract, stopping: Callable[[], None]) -> int:
    """The version's number. `stopping` raises when the capacity goes away. Raises SkywrightError after FOR_S."""
    once = _by_registry if has_registry(contract) else _by_record
    deadline = time.monotonic() + FOR_S
    delay_s = 0.5
    while True:
        try:
            return once(candidate, contract)
        except UserError:
            raise
        except SkywrightError as error:
            stopping()
            if time.monotonic() + delay_s > deadline:
                raise SkywrightError(
                    f"{candidate.model} of job {candidate.run} could not be registered for {FOR_S:g} s: {error.what}",
                    "The job's retry registers it from the last checkpoint.",
                ) from None
            log.warning("registering is tried again in %.1f s: %s", delay_s, error)
            time.sleep(delay_s)
            delay_s = min(delay_s * 2, 5.0)


def _by_registry(candidate: Candidate, contract: StackContract) -> int:
    from ml_jobs.identity import Refused, read_token
    from ml_jobs.registry.client import Registry
    from ml_jobs.registry.transport import Rejected

    try:
        registry = Registry(contract.registry.tracking_url, read_token(contract.identities.training, override=False))
        version = registry.register(
            candidate.url,
            model=candidate.model,
            job=candidate.run,
            by=candidate.by,
            lineage=dict(candidate.lineage),
            params=dict(candidate.params),
            metrics=dict(candidate.metrics),
        )
    except SkywrightError as error:
        if isinstance(error, Refused) or (isinstance(error, Rejected) and error.status < 500):
            raise UserError(f"{candidate.model} of job {candidate.run} was not registered: {error.what}") from None
        raise
    return int(getattr(version, "version", version))


def _by_record(candidate: Candidate, contract: StackContract) -> int:
    """The next free number. Looking before taking is no race: a name is created by one writer, the others go on."""
    from ml_jobs.registry.record import VersionRecord

    folder = Folder(f"{contract.storage.artifacts}/models/{candidate.model}/versions")
    taken = sorted((int(name[:-5]) for name in folder.names() if name[:-5].isdigit()), reverse=True)
    for number in taken:
        if json.loads(folder.read(_RECORD.format(number))).get("job") == candidate.run:
            return number
    number = next(iter(taken), 0)
    while True:
        number += 1
        record = VersionRecord(
            model=candidate.model,
            version=number,
            artifact_url=candidate.url,
            artifact_sha256=candidate.sha256,
            job=candidate.run,
            by=candidate.by,
            created_at=time.time(),
            evaluation=dict(candidate.evaluation),
            lineage=dict(candidate.lineage),
            signature=dict(candidate.signature),
            params=dict(candidate.params),
            metrics=dict(candidate.metrics),
        )
        name = _RECORD.format(number)
        if folder.create(name, record.model_dump_json(indent=1).encode()):
            return number
        if json.loads(folder.read(name)).get("job") == candidate.run:
            return number  # ours: only the answer was lost
