"""Evaluates the rules round by round, and keeps the alarms' history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ml_jobs.contract import UNITS, AlertRule
from ml_jobs.local.monitor.alerts import State, condition, evaluate
from ml_jobs.local.monitor.catalogue import Unsupported, selection, source_of
from ml_jobs.local.monitor.notify import AlarmLog, Webhook
from ml_jobs.local.monitor.store import Store
from ml_jobs.local.process import ServiceConfig

SEEN_TWICE = 2.5
"""A window is at least so many scrapes long: a shorter one would be empty now and then."""


class Watch:
    """State survives the process: a rule that fires is not told again after a restart."""

    def __init__(
        self, config: ServiceConfig, rules: Sequence[AlertRule], store: Store, log: AlarmLog, webhook: Webhook,
        *, scrape_s: float,
    ) -> None:  # fmt: skip
        self._config, self._rules, self._store = config, rules, store
        self._log, self._webhook = log, webhook
        self._least_s = SEEN_TWICE * scrape_s
        self._states: dict[str, State] = {}
        self.load()

    def load(self) -> None:
        """Take the states from the store."""
        self._states = {
            name: State(status, since, value)
            for name, status, since, value in self._store.rows("SELECT name, status, since, value FROM rules")
        }

    def round(self, now: float) -> None:
        """Evaluate every rule once. Raises sqlite3.Error."""
        for rule in self._rules:
            before = self._states.get(rule.name, State())
            after = evaluate(rule, self._samples(rule, now), now, before, window_s=self._least_s)
            if (after.status, after.since) == (before.status, before.since):
                self._states[rule.name] = after
            else:
                self._move(rule.name, before, after, now, rule)
        for name in self._states.keys() - {rule.name for rule in self._rules}:  # a rule that was taken away
            self._move(name, self._states[name], State(), now, None)
            with self._store.write() as database:
                database.execute("DELETE FROM rules WHERE name = ?", (name,))
            del self._states[name]

    def _samples(self, rule: AlertRule, now: float) -> dict[str, Any]:
        source = source_of(rule)
        if isinstance(source, Unsupported):
            return {}
        start = now - max(rule.window_s, self._least_s)
        return {name: self._store.window(name, start, selection(rule, source)) for name in source.names}

    def _move(self, name: str, before: State, after: State, now: float, rule: AlertRule | None) -> None:
        """Keep the new state, the alarm's history and the news of it in one transaction; then tell."""
        news = None
        with self._store.write() as database:
            if after.status == "firing" and before.status != "firing" and rule:
                made = database.execute(
                    "INSERT INTO alarms (name, at, value, body) VALUES (?, ?, ?, ?)",
                    (name, now, after.value, json.dumps(_body(rule))),
                )
                news = ("fired", int(made.lastrowid or 0))
            elif before.status == "firing" and after.status != "firing":
                found = database.execute(
                    "SELECT max(id) FROM alarms WHERE name = ? AND ended_at IS NULL", (name,)
                ).fetchone()[0]
                if found is not None:
                    database.execute("UPDATE alarms SET ended_at = ? WHERE id = ?", (now, found))
                    news = ("cleared", int(found))
            database.execute(
                "INSERT OR REPLACE INTO rules VALUES (?, ?, ?, ?)", (name, after.status, after.since, after.value)
            )
            told = self._news(*news, now=now, value=after.value) if news else None
            if told and self._webhook.is_set:
                database.execute(
                    "INSERT INTO outbox (body, made_at, next_at, tries) VALUES (?, ?, ?, 0)",
                    (json.dumps(told), now, now),
                )
        self._states[name] = after
        if told:
            self._log.write(told)
            self._webhook.wake()

    def _news(self, event: str, key: int, *, now: float, value: float | None) -> dict[str, Any]:
        name, at, seen, body = self._store.rows("SELECT name, at, value, body FROM alarms WHERE id = ?", key)[0]
        return {
            "event": event,
            "at": now,
            "stack": self._config.stack,
            "environment": self._config.environment,
            "alarm": {**json.loads(body), "id": key, "name": name, "fired_at": at, "value": seen, "value_now": value},
        }

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its state now."""
        found = []
        for rule in self._rules:
            state, source = self._states.get(rule.name, State()), source_of(rule)
            why = source.reason if isinstance(source, Unsupported) else None
            found.append(
                {**_body(rule), "status": state.status, "since": state.since, "value": state.value, "why": why}
            )
        return found


def _body(rule: AlertRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "metric": rule.metric.value,
        "unit": UNITS[rule.metric],
        "severity": rule.severity,
        "condition": condition(rule),
        "threshold": rule.threshold,
        "labels": rule.labels,
    }
