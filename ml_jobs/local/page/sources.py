"""The page's sources: the other processes and the audit log, each read no oftener than it needs and never for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx

from catalog.errors import SkywrightError
from ml_jobs import audit
from ml_jobs.identity import read_token
from ml_jobs.local.page.clean import pick, rows
from ml_jobs.local.process import ServiceConfig

PATIENCE_S = 1.5
"""How long the page waits for a source; all are asked at once."""
AUDIT_KEYS = ("seq", "at", "who", "role", "what", "target", "outcome")
VERSION_KEYS = ("model", "version", "state", "problem", "job", "by", "created_at", "artifact_sha256", "evaluation")
APPROVAL_KEYS = ("by", "at", "reason", "decision", "override")
NEWEST_VERSIONS = 8


class Source:
    """Keeps the last good answer, so that a dead peer leaves its panel readable, and says how old it is."""

    def __init__(self, fetch: Callable[[], Awaitable[Any]], every_s: float) -> None:
        self._fetch, self._every_s = fetch, every_s
        self._asked = -every_s
        self.data: Any = None
        self.ok, self.why, self.at = False, "not asked yet", 0.0

    async def refresh(self) -> None:
        if time.monotonic() - self._asked < self._every_s:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                self.data = await self._fetch()
            self.ok, self.why, self.at = True, "", time.time()
        except TimeoutError:
            self.ok, self.why = False, f"no answer in {PATIENCE_S:g} s"
        except httpx.HTTPStatusError as error:
            self.ok, self.why = False, f"answered {error.response.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL):
            self.ok, self.why = False, "does not answer"
        except SkywrightError as error:
            self.ok, self.why = False, error.what
        except Exception as error:  # a source's own fault must not blank the page
            self.ok, self.why = False, f"{type(error).__name__} while reading it"
        self._asked = time.monotonic()

    def status(self) -> dict[str, Any]:
        return {"ok": self.ok, "why": pick({"why": self.why}, ["why"])["why"], "at": self.at or None}


class Peers:
    """GET requests to the other processes, with this process's token."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._client: httpx.AsyncClient | None = None
        self._commits: dict[tuple[str, int], dict[str, Any] | None] = {}

    async def get(self, peer: str, path: str, **params: str | int) -> Any:
        base = self._config.peers.get(peer)
        if not base:
            raise SkywrightError(f"this stack has no {peer}")
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=None, trust_env=False)  # a Source sets the time
        token = read_token(self._config.token_file, override=False) if self._config.token_file else ""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = await self._client.get(f"{base.rstrip('/')}{path}", params=params, headers=headers)
        answer.raise_for_status()
        return answer.json()

    async def models(self) -> list[dict[str, Any]]:
        """Models with the records of their newest versions, newest first."""
        found = []
        for model in rows(await self.get("registry", "/api/skywright/models"), "models"):
            name = str(model.get("name"))
            versions = sorted(rows(model, "versions"), key=lambda record: record["version"], reverse=True)
            newest = [
                {
                    **pick(record, VERSION_KEYS),
                    "approval": pick(record["approval"], APPROVAL_KEYS) if record.get("approval") else None,
                    "git": await self._commit(name, int(record["version"])),
                }
                for record in versions[:NEWEST_VERSIONS]
            ]
            found.append({"name": name, "count": len(versions), "versions": newest})
        return found

    async def _commit(self, model: str, version: int) -> dict[str, Any] | None:
        """The git commit that a version was trained at: asked once, since lineage never changes."""
        key = (model, version)
        if key not in self._commits:
            record = await self.get("registry", f"/api/skywright/models/{model}/versions/{version}")
            git = (record.get("lineage") or {}).get("git")
            self._commits[key] = pick(git, ("commit", "is_dirty")) if isinstance(git, dict) else None
        return self._commits[key]


class AuditTail:
    """The newest entries of the audit log and whether its chain holds.

    Checking reads the whole log, so it is done when the log has grown, and no oftener than its own length allows.
    """

    def __init__(self, artifacts_url: str, keep: int = 50) -> None:
        self._log, self._keep = audit.audit(artifacts_url), keep
        self._seen: tuple[int, int] | None = None
        self._not_before = 0.0
        self._view: dict[str, Any] = {"entries": [], "count": 0, "chain": {"ok": True, "line": None, "why": ""}}

    async def read(self) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(self._read)

    def _read(self) -> dict[str, Any]:
        try:
            stat = Path(self._log.path).stat()
        except FileNotFoundError:
            return self._view
        seen = (stat.st_mtime_ns, stat.st_size)
        started = time.monotonic()
        if seen != self._seen and started >= self._not_before:
            entries = self._log.entries()
            broken = self._log.verify()
            self._view = {
                "entries": [pick(entry, AUDIT_KEYS) for entry in reversed(entries[-self._keep :])],
                "count": len(entries),
                "chain": {"ok": not broken, "line": broken and broken.line, "why": broken.why if broken else ""},
            }
            self._seen = seen
            self._not_before = time.monotonic() + 20 * (time.monotonic() - started)
        return self._view
