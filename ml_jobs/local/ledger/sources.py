"""Where the ledger learns what is in use: the scheduler's slots and the supervisor's servers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx

from catalog.errors import SkywrightError
from ml_jobs.holds import Hold
from ml_jobs.identity import read_token
from ml_jobs.local.ledger.store import SlotUse, Store
from ml_jobs.local.ledger.supervisor import Program, Supervisor
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.telling import tell

SERVERS = "server-"


class Source:
    """Whether a source answers. A change is told once on stderr; the rest of the time it stands in `/budget`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_ok = True
        self.since: float | None = None
        self.why: str | None = None

    @contextmanager
    def reading(self, now: float) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error:
            raise
        except SkywrightError as error:
            self._turn(False, now, error.what)
        except Exception as error:  # whatever a peer answers must not end the ledger
            self._turn(False, now, f"{type(error).__name__}: {error}"[:300])
        else:
            self._turn(True, now, None)

    def _turn(self, is_ok: bool, now: float, why: str | None) -> None:
        if is_ok != self.is_ok or self.since is None:
            self.since = now
            if not is_ok or not self.is_ok:
                tell(f"{self.name}: {'answers again' if is_ok else f'away: {why}'}")
        self.is_ok, self.why = is_ok, why

    def as_dict(self) -> dict[str, Any]:
        return {"state": "ok" if self.is_ok else "away", "since": self.since, "why": self.why}


class SlotReader:
    """Reads the scheduler's usage into the store."""

    def __init__(self, config: ServiceConfig) -> None:
        self._url = config.peers.get("scheduler")
        self._token_file = config.token_file
        self._client = httpx.Client(timeout=3, trust_env=False)
        self._has_read = False

    def read(self, store: Store, now: float) -> None:
        """Raises httpx.HTTPError or SkywrightError when the scheduler gives no usable answer."""
        if not self._url:
            raise SkywrightError("this stack's ledger knows no scheduler")
        last, first = store.last_slot(), store.first_open()
        after = min(last[0], first or last[0]) - 1 if last and self._has_read else 0
        usage = self._get(after)
        if last and last not in {(item.id, item.key) for item in usage}:
            store.forget_numbers()  # the scheduler lost or restored its own file: its numbers mean something else now
            after, usage = 0, self._get(0)
        store.put_slots(usage, after=after, now=now)
        self._has_read = True

    def _get(self, after: int) -> list[SlotUse]:
        token = read_token(self._token_file, override=False)
        answer = self._client.get(
            f"{self._url}/usage", params={"after": after}, headers={"authorization": f"Bearer {token}"}
        )
        answer.raise_for_status()
        usage = answer.json()
        items = usage["intervals"] if isinstance(usage, dict) else usage
        return [SlotUse.read(item, where="the scheduler's usage") for item in items]

    def close(self) -> None:
        self._client.close()


def meter_servers(programs: list[Program], store: Store, now: float, usd_per_hour: Decimal) -> None:
    """Endpoint seconds: from a server's start to now, or to when it was stopped."""
    for program in programs:
        if not program.started_at:
            continue
        until = now if program.is_running else float(program.stopped_at)
        if until > program.started_at:
            store.put_endpoint(
                program.name.removeprefix(SERVERS),
                started_at=float(program.started_at),
                until=until,
                usd_per_hour=usd_per_hour,
            )


def enforce_zero(
    supervisor: Supervisor, programs: list[Program], store: Store, now: float, hold: Hold | None, *, proving_s: float
) -> None:
    """Under a hold no server runs; once it is lifted, all that were declared meanwhile or before run again.

    One that was started after the hold was set may prove for `proving_s` that it gets ready: an `up` under a hold
    still finds out whether a new release works, and stops it itself.
    """
    if hold is None:
        known = {program.name for program in programs}
        for name in store.stopped():
            if name in known:
                supervisor.start(name)
            store.drop_stopped(name)
        return
    for program in programs:
        store.put_stopped(program.name, now)  # written first: a ledger that dies here still starts it later
        proves = program.started_at + 1 > hold.at and now - program.started_at < proving_s
        if program.is_stoppable and not proves:
            supervisor.stop(program.name)
