"""What the audit log says was decided last about each model: a second witness against a cut approval log."""

from __future__ import annotations

import threading

from ml_jobs.audit import audit

WHAT = "decide on a version"


class LastDecisions:
    """Hash of each model's last approval entry, by the audit log; read again only when the log has grown."""

    def __init__(self, artifacts_url: str) -> None:
        self._log = audit(artifacts_url)
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._latest: dict[str, str] = {}

    def of(self, model: str) -> str | None:
        """None when nothing was decided about the model yet."""
        with self._lock:
            try:
                stat = self._log.path.stat()
            except FileNotFoundError:
                return None
            seen = (stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._latest = {
                    str(line["target"]).rpartition("/")[0]: str((line.get("after") or {}).get("hash"))
                    for line in self._log.entries()
                    if line.get("what") == WHAT and line.get("outcome") == "done" and "target" in line
                }
                self._seen = seen
            return self._latest.get(model)
