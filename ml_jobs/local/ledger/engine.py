"""The ledger at work: read the sources, add up, climb the ladder, set and lift holds, hold endpoints at zero."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError, UserError
from ml_jobs import audit
from ml_jobs.budget import ladder
from ml_jobs.holds import Effect, Hold, Holds
from ml_jobs.identity import Caller
from ml_jobs.local.database import is_damage
from ml_jobs.local.ledger import meter
from ml_jobs.local.ledger.settings import LedgerSettings
from ml_jobs.local.ledger.sources import SERVERS, SlotReader, Source, enforce_zero, meter_servers
from ml_jobs.local.ledger.store import Store
from ml_jobs.local.ledger.supervisor import Program, Supervisor
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.telling import tell


class NoSuchHold(UserError):
    """No hold of that name stands."""


class Ledger:
    """The only writer of the stack's holds. `poll` is called by one thread, everything else by any."""

    def __init__(
        self, config: ServiceConfig, settings: LedgerSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = config
        self.settings = settings
        self._clock = clock
        self._lock = threading.RLock()
        self._path = Path(config.root) / "state" / "ledger.db"
        self._store = Store(self._path)
        self._holds = Holds(Path(config.holds_file))
        self._slots = SlotReader(config)
        self._supervisor = Supervisor(settings.supervisor_url) if settings.supervisor_url else None
        self._sources = {name: Source(name) for name in ("scheduler", "supervisor", "storage")}
        if not self._supervisor:
            self._sources.pop("supervisor")
        self._recover()
        self._budget: dict[str, Any] = {}
        self._sum(self._clock())

    def _recover(self) -> None:
        if self._store.is_new:
            period = meter.month(self._clock()).name
            self._store.put_standings(period, ladder.recover(self._holds.history(), period))

    def poll(self) -> None:
        """One round. Whatever is away, full or damaged is told in `/budget` and tried again at the next round."""
        now = self._clock()
        with self._sources["storage"].reading(now):
            try:
                self._round(now)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise SkywrightError(f"{self._path} can't be used: {error}") from None
                with self._lock:
                    self._store.close()
                    self._store = Store(self._path)
                    self._recover()

    def _round(self, now: float) -> None:
        with self._sources["scheduler"].reading(now):
            self._slots.read(self._store, now)
        programs: list[Program] = []
        if self._supervisor:
            with self._sources["supervisor"].reading(now):
                programs = self._supervisor.programs(SERVERS)
                price = Decimal(str(self.settings.endpoint_usd_per_hour))
                meter_servers(programs, self._store, now, price)
        with self._lock:
            self._climb(now)
        if self._supervisor and self._sources["supervisor"].is_ok:
            with self._sources["supervisor"].reading(now):
                zero = [hold for hold in self._holds.active() if hold.effect is Effect.SCALE_TO_ZERO]
                hold = next((hold for hold in zero if not hold.scope.startswith("team:")), None)
                enforce_zero(self._supervisor, programs, self._store, now, hold, proving_s=self.settings.proving_s)
        self._sum(now)

    def _climb(self, now: float) -> None:
        """Bring the steps and their holds in line with what is spent; ends in the same state from wherever it died."""
        period = meter.month(now)
        spent = meter.total(meter.lines(self._store.intervals(period.start), period, now))
        standings = self._store.standings(period.name)
        actions = ladder.decide(spent, self.settings.limit, self.settings.ladder, standings)
        if actions:
            standings = ladder.apply(standings, actions, now)
            self._store.put_standings(period.name, standings)
        wanted = ladder.wanted(self.settings.ladder, standings, period.name)
        standing = {hold.by: hold for hold in self._holds.active() if hold.by.startswith("budget:")}
        for by, hold in standing.items():
            if by not in wanted or wanted[by].effect != hold.effect.value:
                self._lift(hold, reason="spending is below this step again", by=ladder.LEDGER, role=ladder.LEDGER)
                standing = {key: one for key, one in standing.items() if key != by}
        for by, step in wanted.items():
            if by not in standing and step.effect is not None:
                reason = f"${spent:.2f} of ${self.settings.limit} are spent in {period.name}: step {step.percent:g} %"
                self._set(Effect(step.effect), reason=reason, by=by, role=ladder.LEDGER)

    def _sum(self, now: float) -> None:
        period = meter.month(now)
        intervals = self._store.intervals(min(period.start, now - meter.FORECAST_WINDOW_S))
        lines = meter.lines(intervals, period, now)
        spent = meter.total(lines)
        standings = self._store.standings(period.name)
        budget = {
            "period": period.name,
            "at": now,
            "limit_usd": self.settings.monthly_limit_usd,
            "spent_usd": round(float(spent), 6),
            "spent_ratio": float(spent / self.settings.limit),
            "forecast_usd": round(float(meter.forecast(intervals, period, now)), 6),
            "steps": [
                {
                    "percent": step.percent,
                    "effect": step.effect if step.effect else "notify",
                    "reached_at": standings[step.percent].reached_at if step.percent in standings else None,
                    "released_at": standings[step.percent].released_at if step.percent in standings else None,
                }
                for step in self.settings.ladder
            ],
            "lines": [
                {
                    "kind": line.kind,
                    "name": line.name,
                    "team": line.team,
                    "seconds": round(line.seconds, 3),
                    "usd_per_hour": float(line.usd_per_hour),
                    "usd": round(float(line.usd), 6),
                }
                for line in lines
            ],
            "stopped": self._store.stopped(),
        }
        with self._lock:
            self._budget = budget

    def budget(self) -> dict[str, Any]:
        """The body of GET /budget, as of the last round; holds and sources as of now."""
        with self._lock:
            budget = self._budget
        holds = self._holds.active()
        by_author = {hold.by: hold.id for hold in holds}
        steps = [
            {**step, "hold": by_author.get(ladder.author(budget["period"], step["percent"]))}
            for step in budget["steps"]
        ]
        return {
            **budget,
            "steps": steps,
            "holds": [hold.model_dump(mode="json") for hold in holds],
            "sources": {name: source.as_dict() for name, source in self._sources.items()},
        }

    def holds(self) -> list[dict[str, Any]]:
        return [hold.model_dump(mode="json") for hold in self._holds.active()]

    def set_hold(self, effect: Effect, *, scope: str, reason: str, by: str, target: str | None, caller: Caller) -> Hold:
        with self._lock:
            return self._set(effect, scope=scope, reason=reason, by=by, target=target, role=caller.role.value)

    def lift_hold(self, hold_id: str, *, reason: str, by: str, caller: Caller) -> Hold:
        """Lift a hold by hand; that of a budget's step releases the step. Raises NoSuchHold."""
        with self._lock:
            hold = next((hold for hold in self._holds.active() if hold.id == hold_id), None)
            if hold is None:
                standing = ", ".join(one.id for one in self._holds.active()) or "none"
                raise NoSuchHold(
                    f"hold {hold_id!r} does not stand; standing: {standing}", "See `skywright budget status`."
                )
            now = self._clock()
            period = meter.month(now).name
            percent = ladder.percent_of(hold.by, period)
            standings = self._store.standings(period)
            if percent is not None and percent in standings:
                self._store.put_standings(period, ladder.release(standings, percent, now))
            self._lift(hold, reason=reason, by=by, role=caller.role.value)
            self._sum(now)
            return hold

    def _set(
        self, effect: Effect, *, reason: str, by: str, role: str, scope: str = "stack", target: str | None = None
    ) -> Hold:
        hold = self._holds.set(effect, reason=reason, by=by, scope=scope, target=target)
        self._audit("hold set", by, role, hold, before=None, after=hold.model_dump(mode="json"))
        return hold

    def _lift(self, hold: Hold, *, reason: str, by: str, role: str) -> None:
        if self._holds.lift(hold.id, reason=reason, by=by):
            self._audit("hold lifted", by, role, hold, before=hold.model_dump(mode="json"), after={"reason": reason})

    def _audit(self, what: str, by: str, role: str, hold: Hold, *, before: Any, after: Any) -> None:
        try:
            audit.record(
                self.config.artifacts_url, who=by, role=role, what=what, target=f"{hold.effect.value} on {hold.scope}",
                before=before, after=after,
            )  # fmt: skip
        except SkywrightError as error:
            tell(f"error: {error}")

    def close(self) -> None:
        self._slots.close()
        self._store.close()
