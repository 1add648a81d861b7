"""What jobs, commands and deployments ask of the registry, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ml_jobs.contract import Release
from ml_jobs.registry.approval import Approval, Decision, sign
from ml_jobs.registry.runs import Runs
from ml_jobs.registry.transport import Rejected, Transport

_API = "/api/skywright"


class Registry:
    """A stack's registry at `url`, as the role of `token`. Errors are SkywrightErrors of one line."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 30) -> None:
        self._http = Transport(url, token, timeout_s=timeout_s)
        self.runs = Runs(self._http)

    def close(self) -> None:
        self._http.close()

    def register(
        self,
        artifact_url: str,
        *,
        model: str,
        job: str,
        by: str,
        lineage: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        artifact_sha256: str | None = None,
    ) -> int:
        """The number of the job's version of `model`: the same one however often it is asked.

        The folder's files must be written; they never change afterwards.
        """
        body = {
            "artifact_url": artifact_url,
            "artifact_sha256": artifact_sha256,
            "job": job,
            "by": by,
            "lineage": dict(lineage or {}),
            "params": dict(params or {}),
            "metrics": dict(metrics or {}),
        }
        return int(self._http.send("POST", f"{_API}/models/{quote(model, safe='')}/versions", body)["version"])

    def models(self) -> list[dict[str, Any]]:
        """Each model: name, and its versions (oldest first) without lineage."""
        answer: list[dict[str, Any]] = self._http.send("GET", f"{_API}/models")
        return answer

    def versions(self, model: str) -> list[dict[str, Any]]:
        """A model's versions, oldest first; empty when there is no such model."""
        found = (entry["versions"] for entry in self.models() if entry["name"] == model)
        return next(found, [])

    def record(self, model: str, version: int) -> dict[str, Any]:
        """All that is known of a version, with the decision that stands."""
        answer: dict[str, Any] = self._http.send("GET", f"{_API}/models/{quote(model, safe='')}/versions/{version}")
        return answer

    def approvals(self, model: str) -> dict[str, Any]:
        """{model, head, approvals}: the decisions, oldest first."""
        answer: dict[str, Any] = self._http.send("GET", f"{_API}/approvals/{quote(model, safe='')}")
        return answer

    def approve(
        self,
        model: str,
        version: int,
        *,
        by: str,
        reason: str,
        key: bytes,
        production: int | None = None,
        override: str | None = None,
    ) -> dict[str, Any]:
        """Sign and send an approval; the record with its `ref`. `key`: the approver's private key, PEM.

        `production` is the version that now gets the largest weight: the registry refuses a regression against it
        unless `override` says why.
        """
        return self._decide(Decision.APPROVED, model, version, by, reason, key, production, override)

    def reject(self, model: str, version: int, *, by: str, reason: str, key: bytes) -> dict[str, Any]:
        """Sign and send a rejection, which revokes approvals of the version before it."""
        return self._decide(Decision.REJECTED, model, version, by, reason, key, None, None)

    def _decide(
        self,
        decision: Decision,
        model: str,
        version: int,
        by: str,
        reason: str,
        key: bytes,
        production: int | None,
        override: str | None,
    ) -> dict[str, Any]:
        record = self.record(model, version)
        fields = {
            "model": model,
            "version": version,
            "artifact_sha256": record["artifact_sha256"],
            "decision": decision.value,
            "by": by,
            "at": round(time.time(), 3),
            "reason": reason,
            "evaluation": record["evaluation"],
            "compared_with": production if production != version else None,
            "override": override,
            "prev": self.approvals(model)["head"],
        }
        approval = Approval.read(fields, where="approval")
        body = {"approval": approval.model_dump(mode="json"), "signature": sign(approval, key)}
        answer: dict[str, Any] = self._http.send("POST", f"{_API}/approvals", body, repeat=False)
        return answer

    def release(self, model: str, version: int) -> dict[str, Any]:
        """The fields of a Release that the registry knows; weights are the caller's."""
        record = self.record(model, version)
        approved = record["approval"] if record["state"] == Decision.APPROVED.value else None
        return {
            "model": model,
            "version": int(record["version"]),
            "artifact_url": record["artifact_url"],
            "artifact_sha256": record["artifact_sha256"],
            "image_digest": None,
            "approval_ref": approved["ref"] if approved else None,
        }

    def verify(self, release: Release | Mapping[str, Any], *, requires_approval: bool = True) -> list[str]:
        """What of the release doesn't hold, a line each; empty when it all does."""
        body = release.model_dump(mode="json") if isinstance(release, Release) else dict(release)
        try:
            self._http.send("POST", f"{_API}/verify", {"release": body, "requires_approval": requires_approval})
        except Rejected as rejected:
            if found := rejected.details.get("mismatches"):
                return [str(line) for line in found]
            raise
        return []
