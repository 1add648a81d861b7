"""A model version's record, and the log that it lies in.

Each model has one hash-chained log, `artifacts/models/<model>/versions.jsonl`, beside the folders of its
versions. It is the truth about them: the tracking database is an index that can be built again from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import Field

from catalog.errors import SkywrightError, UserError, did_you_mean
from ml_jobs.audit import ChainedLog
from ml_jobs.contract import Name, Record, Sha256

MODELS = "models"
LOG = "versions.jsonl"


class State(str, Enum):
    """What was decided last about a version."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class VersionRecord(Record):
    """All that is known of a version when it is registered; never changed afterwards."""

    format_version: int = 1
    model: Name
    version: int = Field(ge=1)
    artifact_url: str
    artifact_sha256: Sha256
    job: str
    by: str = Field(description="who submitted the job")
    created_at: float = Field(description="Unix time, s")
    run_id: str | None = Field(None, description="the tracking run's id; a rebuilt database gives new ones")
    evaluation: dict[str, Any] = Field(default_factory=dict)
    lineage: dict[str, Any] = Field(default_factory=dict)
    signature: dict[str, Any] = Field(default_factory=dict, description="inputs and outputs, as in model.json")
    params: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)


class Damaged(SkywrightError):
    """A chained file of the registry was altered, cut or put together anew."""


class Unknown(UserError):
    """No model or version of that name."""


class Versions:
    """The version logs below an artifact store's folder."""

    def __init__(self, artifacts: Path) -> None:
        self.folder = artifacts / MODELS

    def models(self) -> list[str]:
        """Names of the models that have a version, sorted."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{LOG}"))

    def all(self, model: str) -> list[VersionRecord]:
        """A model's versions, oldest first. Raises Damaged when the log no longer holds."""
        log = self._log(model)
        if broken := log.verify():
            raise Damaged(
                f"{log.path} line {broken.line} {broken.why}", "Restore the file from a backup of the artifact store."
            )
        return [VersionRecord.read(entry["record"], where=str(log.path)) for entry in log.entries()]

    def require(self, model: str) -> None:
        """Raises Unknown, with what is known, when there is no such model."""
        known = self.models()
        if model not in known:
            hint = did_you_mean(model, known) or "`skywright models list` shows them."
            raise Unknown(f"model {model!r} is unknown; known: {', '.join(known) or 'none yet'}", hint)

    def get(self, model: str, version: int) -> VersionRecord:
        """One version. Raises Unknown with what is known."""
        self.require(model)
        records = self.all(model)
        for record in records:
            if record.version == version:
                return record
        versions = ", ".join(str(record.version) for record in records)
        raise Unknown(f"{model} has no version {version}; known versions: {versions}")

    def of_job(self, model: str, job: str) -> VersionRecord | None:
        return next((record for record in self.all(model) if record.job == job), None)

    def add(self, record: VersionRecord) -> None:
        self._log(record.model).append(record=record.model_dump(mode="json"))

    def __iter__(self) -> Iterator[VersionRecord]:
        for model in self.models():
            yield from self.all(model)

    def _log(self, model: str) -> ChainedLog:
        return ChainedLog(self.folder / model / LOG)


def finite(value: Any) -> Any:
    """The value with null where it isn't a finite number: JSON has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
