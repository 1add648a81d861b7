"""Calls somebody: a line in the alarms' log, and a webhook that is tried until it takes the news.

News waits in the store, so that it survives the monitor. A webhook may see the same news twice when the monitor dies
between sending and noting it; `Idempotency-Key` is the same then.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from catalog.errors import SkywrightError
from ml_jobs.identity import read_token
from ml_jobs.local.monitor.settings import MonitorSettings
from ml_jobs.local.monitor.store import Store
from ml_jobs.local.telling import tell

LONGEST_WAIT_S = 300.0
GIVE_UP_S = 86_400.0


class AlarmLog:
    """One JSON object a line, for people and for log shippers."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, news: Mapping[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a") as file:
                file.write(json.dumps(news, sort_keys=True) + "\n")
        except OSError as error:
            tell(f"error: {self.path} can't be written: {error.strerror}")


class Webhook:
    """A thread that posts what waits in the store. Neither the token nor the URL's path is ever written anywhere."""

    def __init__(self, store: Store, settings: MonitorSettings) -> None:
        self._store = store
        self._settings = settings
        self._host = urlsplit(settings.webhook_url or "").hostname
        self._client = httpx.Client(timeout=5, trust_env=False, follow_redirects=False)
        self._wake = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self.why: str | None = None

    @property
    def is_set(self) -> bool:
        return bool(self._settings.webhook_url)

    def start(self) -> None:
        if self.is_set:
            self._thread.start()

    def stop(self) -> None:
        self._is_stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(6)
        self._client.close()

    def wake(self) -> None:
        self._wake.set()

    def waiting(self) -> int:
        return int(self._store.rows("SELECT count(*) FROM outbox")[0][0])

    def _run(self) -> None:
        while not self._is_stopped:
            self._wake.clear()
            try:
                pause = self._send_due(time.time())
            except sqlite3.Error as error:
                self._tell(f"news can't be read: {error}")
                pause = 5.0
            self._wake.wait(pause)

    def _send_due(self, now: float) -> float:
        """Post what is due, oldest first; seconds until more is."""
        for key, body, made_at, tries in self._store.rows(
            "SELECT id, body, made_at, tries FROM outbox WHERE next_at <= ? ORDER BY id", now
        ):
            if self._is_stopped:
                break
            why = self._post(json.loads(body))
            with self._store.write() as database:
                if why is None or now - made_at > GIVE_UP_S:
                    database.execute("DELETE FROM outbox WHERE id = ?", (key,))
                else:
                    wait = min(LONGEST_WAIT_S, self._settings.webhook_retry_s * 2 ** min(tries, 20))
                    database.execute(
                        "UPDATE outbox SET tries = tries + 1, next_at = ? WHERE id = ?", (time.time() + wait, key)
                    )
            self._tell(why)
        soonest = self._store.rows("SELECT min(next_at) FROM outbox")[0][0]
        return 60.0 if soonest is None else min(60.0, max(0.05, soonest - time.time()))

    def _post(self, news: dict[str, Any]) -> str | None:
        """None when the webhook took it, else why not."""
        headers = {"idempotency-key": f"{news['stack']}-{news['alarm']['id']}-{news['event']}"}
        try:
            if self._settings.webhook_token_file:
                token = read_token(self._settings.webhook_token_file, override=False)
                headers["authorization"] = f"Bearer {token}"
            answer = self._client.post(str(self._settings.webhook_url), json=news, headers=headers)
            return None if answer.is_success else f"answered {answer.status_code}"
        except SkywrightError as error:
            return error.what
        except Exception as error:  # its text may hold the URL or a header: only the kind is told
            return f"does not answer ({type(error).__name__})"

    def _tell(self, why: str | None) -> None:
        if why != self.why:
            tell(f"webhook at {self._host}: {why or 'takes alarms again'}")
        self.why = why
