"""What the registry knows and decides: versions, approvals, releases. The tracking database only mirrors it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from catalog.errors import SkywrightError, UserError
from ml_jobs import audit
from ml_jobs.contract import Record, Release, Sha256
from ml_jobs.identity import Caller, Refused
from ml_jobs.local.registry import decided
from ml_jobs.registry import approval as approvals
from ml_jobs.registry import artifact
from ml_jobs.registry.approval import Approval, ApprovalLog, Decision, Entry
from ml_jobs.registry.compare import compare
from ml_jobs.registry.record import Damaged, VersionRecord, Versions, finite
from ml_jobs.registry.release_check import mismatches

_CLOCK_SKEW_S = 300


class Conflict(SkywrightError):
    """What is asked doesn't go with what is registered."""


class Starting(SkywrightError):
    """The tracking database isn't loaded yet: the same request may succeed soon."""


class Index(Protocol):
    """The mirror of the versions in the tracking database."""

    def wait(self) -> None: ...
    def ensure_run(self, record: VersionRecord) -> str: ...
    def index(self, record: VersionRecord) -> None: ...


class Registration(Record):
    """What a job sends. `artifact_sha256`, when given, must be the digest of the files as the registry reads them."""

    artifact_url: str
    artifact_sha256: Sha256 | None = None
    job: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    by: str = Field(min_length=1, max_length=200)
    lineage: dict[str, Any] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)


class Store:
    """The registry's decisions. Only this process writes below `artifacts`' version and approval logs."""

    def __init__(
        self, artifacts: Path, index: Index, *, approver_key: bytes, requires_second_person: bool = False
    ) -> None:
        approvals.load_public_key(approver_key)
        self.artifacts = artifacts.resolve()
        self.versions = Versions(self.artifacts)
        self._url = self.artifacts.as_uri()
        self._decided = decided.LastDecisions(self._url)
        self._index = index
        self._key = approver_key
        self._requires_second_person = requires_second_person
        self._lock = threading.Lock()

    def models(self) -> list[dict[str, Any]]:
        """Each model with its versions, newest last, without their lineage."""
        return [
            {
                "name": model,
                "production": None,
                "versions": [_brief(view) for view in self._views(model, self.versions.all(model))],
            }
            for model in self.versions.models()
        ]

    def record(self, model: str, version: int) -> dict[str, Any]:
        """A version's whole record with what was decided about it. Raises Unknown."""
        return self._views(model, [self.versions.get(model, version)])[0]

    def approvals(self, model: str) -> dict[str, Any]:
        """A model's decisions, oldest first, and the hash that the next one must carry. Raises Unknown, Damaged."""
        self.versions.require(model)
        entries = self._entries(model)
        log = ApprovalLog(self.artifacts, model)
        return {"model": model, "head": approvals.head(entries), "approvals": [_shown(log, entry) for entry in entries]}

    def register(self, model: str, asked: Registration, caller: Caller) -> dict[str, Any]:
        """The job's version; made once, whatever the number of calls. Raises UserError, Conflict."""
        url = self._artifact_url(model, asked.artifact_url)
        digest = artifact.digest(url)
        if asked.artifact_sha256 not in (None, digest):
            raise Conflict(f"artifact {url} has the digest {digest}, not {asked.artifact_sha256} as the job says")
        described = artifact.read_json(url, artifact.MODEL, required=True)
        if described.get("model") not in (None, model):
            raise UserError(f"artifact {url} is of model {described['model']!r}, not {model!r}")
        self._index.wait()
        with self._lock:
            known = self.versions.of_job(model, asked.job)
            if known is None:
                known = self._add(model, asked, url, digest, described, caller)
            elif known.artifact_sha256 != digest:
                raise Conflict(
                    f"job {asked.job} has registered {model} {known.version} with the digest {known.artifact_sha256}, "
                    f"and now brings {digest}",
                    "A version's files never change: train a new version.",
                )
            self._index.index(known)
        return self._views(model, [known])[0]

    def _add(
        self, model: str, asked: Registration, url: str, digest: str, described: dict[str, Any], caller: Caller
    ) -> VersionRecord:
        earlier = self.versions.all(model)
        record = VersionRecord(
            model=model,
            version=earlier[-1].version + 1 if earlier else 1,
            artifact_url=url,
            artifact_sha256=digest,
            job=asked.job,
            by=asked.by,
            created_at=round(time.time(), 3),
            evaluation=finite(artifact.read_json(url, artifact.EVALUATION)),
            lineage=finite({**artifact.read_json(url, artifact.LINEAGE), **asked.lineage}),
            signature={key: described.get(key) for key in ("inputs", "outputs")},
            params=finite(asked.params),
            metrics={k: float(v) for k, v in asked.metrics.items() if _is_number(v)},
        )
        record = record.model_copy(update={"run_id": self._index.ensure_run(record)})
        self.versions.add(record)
        self._audit(asked.by, caller, "register a version", f"{model}/{record.version}", after={"sha256": digest})
        return record

    def decide(self, asked: Approval, signature: str, caller: Caller) -> dict[str, Any]:
        """Append a signed decision. Raises Unknown, Refused, Conflict, Damaged; refusals are audited."""
        target = f"{asked.model}/{asked.version}"
        with self._lock:
            try:
                record = self.versions.get(asked.model, asked.version)
                entries = self._entries(asked.model)
                self._check_decision(asked, signature, record, entries)
            except SkywrightError as error:
                self._audit(
                    asked.by, caller, decided.WHAT, target, after={"refused_because": str(error)}, outcome="refused"
                )
                raise
            log = ApprovalLog(self.artifacts, asked.model)
            entry = log.append(asked, signature)
            before = approvals.state(entries, asked.version).value
            after = {"decision": asked.decision.value, "hash": entry.hash, "override": asked.override}
            self._audit(asked.by, caller, decided.WHAT, target, before=before, after=after)
        return _shown(log, entry)

    def _check_decision(self, asked: Approval, signature: str, record: VersionRecord, entries: list[Entry]) -> None:
        if not approvals.is_signed(asked, signature, self._key):
            raise Refused("the record is not signed by this stack's approver", "Sign it with identity/approver.key.")
        if asked.prev != approvals.head(entries):
            raise Conflict("another decision was written meanwhile", "Read the approvals again, then decide.")
        if abs(asked.at - time.time()) > _CLOCK_SKEW_S:
            raise Conflict(f"the record's time is more than {_CLOCK_SKEW_S} s off the registry's", "Set the clock.")
        if asked.artifact_sha256 != record.artifact_sha256:
            raise Conflict(
                f"the record is about the digest {asked.artifact_sha256}; registered: {record.artifact_sha256}"
            )
        if asked.decision is Decision.REJECTED:
            return
        if (on_disk := artifact.digest(record.artifact_url)) != record.artifact_sha256:
            raise Conflict(
                f"the files at {record.artifact_url} were altered: their digest is {on_disk}, "
                f"registered: {record.artifact_sha256}",
                "Restore the folder, or train a new version.",
            )
        if self._requires_second_person and asked.by == record.by:
            raise Refused(
                f"{asked.by} submitted {record.model} {record.version} and may not approve it",
                "Ask somebody else: this stack requires a second person.",
            )
        if asked.compared_with and not asked.override:
            current = self.versions.get(record.model, asked.compared_with)
            if regression := compare(record.evaluation, current.evaluation).regression:
                raise Conflict(f"{regression} (production: version {current.version})", "Approve with an override.")

    def verify(self, release: Release, *, requires_approval: bool, caller: Caller) -> list[str]:
        """What doesn't hold of a release, a line each. A release that doesn't hold is audited as refused."""
        try:
            record = self.versions.get(release.model, release.version)
            log_url = ApprovalLog(self.artifacts, release.model).log.path.as_uri()
            try:
                entries: list[Entry] | None = self._entries(release.model)
            except Damaged:
                entries = None
            found = mismatches(release, record, entries, log_url=log_url, requires_approval=requires_approval)
        except SkywrightError as error:
            found = [str(error)]
        if found:
            target = f"{release.model}/{release.version}"
            self._audit(
                caller.subject, caller, "release a version", target, after={"mismatches": found}, outcome="refused"
            )
        return found

    def _views(self, model: str, records: Iterable[VersionRecord]) -> list[dict[str, Any]]:
        log = ApprovalLog(self.artifacts, model)
        problem = None
        try:
            entries = self._entries(model)
        except Damaged as damaged:
            entries, problem = [], str(damaged)
        views = []
        for record in records:
            decision = approvals.last(entries, record.version)
            views.append(
                {
                    **record.model_dump(mode="json"),
                    "state": approvals.state(entries, record.version).value,
                    "approval": _shown(log, decision) if decision else None,
                    "problem": problem,
                }
            )
        return views

    def _entries(self, model: str) -> list[Entry]:
        """The model's proven decisions; also none of those that the audit log knows may be missing at the end."""
        log = ApprovalLog(self.artifacts, model)
        entries = log.entries(self._key)
        latest = self._decided.of(model)
        if latest and all(entry.hash != latest for entry in entries):
            raise Damaged(
                f"{log.log.path} was cut: its last decision is missing",
                "Restore the file from a backup; nothing in it counts until then.",
            )
        return entries

    def _artifact_url(self, model: str, given: str) -> str:
        folder = Path(given.removeprefix("file://")).resolve()
        allowed = self.artifacts / "models" / model
        if "://" in given.removeprefix("file://") or folder.parent != allowed:
            raise UserError(f"artifact_url is {given!r}; allowed: a folder in {allowed.as_uri()}/")
        return folder.as_uri()

    def _audit(self, who: str, caller: Caller, what: str, target: str, **more: Any) -> None:
        audit.record(self._url, who=who, role=caller.role.value, what=what, target=target, **more)


def _shown(log: ApprovalLog, entry: Entry) -> dict[str, Any]:
    record = entry.approval.model_dump(mode="json")
    return {**record, "signature": entry.signature, "hash": entry.hash, "ref": log.ref(entry)}


def _brief(view: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in view.items() if key not in ("lineage", "signature", "params")}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
