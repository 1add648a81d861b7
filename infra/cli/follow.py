"""A run as it happens: its time line in words, with the newest loss beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from infra.cli import render

QUIET = frozenset({"submitted", "succeeded", "failed", "stopped"})
STYLES = {"preempted": "yellow", "notice": "yellow", "lost": "yellow", "resumed": "cyan", "registered": "green"}
METRICS_EVERY_S = 5.0
"""How often the newest metrics get a line of their own where there is no terminal to keep them on one."""


def words(event: dict[str, Any]) -> str:
    """An event in a few words; the empty string for one that says nothing new."""
    given = {"notice_s": 0, "reason": "", "slot": "?", "step": 0, **event}
    match given["type"]:
        case "queued":
            return f"queued: {given['reason']}"
        case "started":
            kind = "spot" if given.get("is_spot") else "on demand"
            slots = ", ".join(given.get("slots") or [given.get("pool") or given["slot"]])
            attempt = f"attempt {given['attempt']} on " if "attempt" in given else "runs on "
            return f"{attempt}{slots} ({kind})"
        case "notice":
            return f"{given['slot']} goes away in {given['notice_s']:g} s: the ranks save and stop"
        case "preempted":
            told = f"after a notice of {given['notice_s']:g} s" if given["notice_s"] else "without notice"
            return f"{given['slot']} was taken away {told}" if "slot" in event else "preempted"
        case "checkpoint":
            blocked = given.get("blocked_s")
            return f"checkpoint at step {given['step']}" + (f", {blocked * 1000:.0f} ms in the way" if blocked else "")
        case "resumed":
            over = len(given.get("passed_over") or ())
            return f"resumed at step {given['step']}" + (f", {over} damaged checkpoints passed over" if over else "")
        case "lost":
            return f"{given.get('steps', '?')} steps ({given.get('seconds', 0):.2f} s) are done again"
        case "decided":
            kind = {"spot": "spot", "on_demand": "on demand", "none": "waiting for spot"}[given["chosen"]]
            return f"planned: {kind}" + (f" ({given['refused']})" if given.get("refused") else "")
        case "tried":
            return f"spot is tried again, with a chance of {given.get('chance', 0):.0%}: {given.get('why', '')}"
        case "replanned":
            return f"{given['slot']} is left for cheaper capacity"
        case "refused":
            return f"refused: {given.get('message') or given.get('why')}"
        case "stopping":
            return f"stopped by {given.get('by')}: {given['reason']}"
        case "registered":
            return f"registered as {given.get('model')} version {given.get('version')}"
        case _:
            return ""


def metrics(event: dict[str, Any]) -> str:
    values = {key: value for key, value in (event.get("values") or {}).items() if isinstance(value, int | float)}
    return f"step {event.get('step', '?')}  " + "  ".join(f"{key} {value:.4g}" for key, value in values.items())


def show(events: Iterable[dict[str, Any]]) -> None:
    """Print a run's events until they end. On a terminal the newest metrics stay on the last line."""
    if sys.stdout.isatty():
        with render.console.status("waits for the scheduler") as status:
            _each(events, on_metrics=lambda text, _: status.update(text))
        return
    last = [0.0]

    def seldom(text: str, at: float) -> None:
        if at - last[0] >= METRICS_EVERY_S:
            last[0] = at
            render.say(f"         {text}", style="dim")

    _each(events, on_metrics=seldom)


def _each(events: Iterable[dict[str, Any]], *, on_metrics: Callable[[str, float], None]) -> None:
    began: float | None = None
    newest = ""
    for event in events:
        at = float(event.get("at") or 0)
        began = at if began is None else began
        if event["type"] == "metrics":
            newest = metrics(event)
            on_metrics(newest, at)
        elif event["type"] not in QUIET and (text := words(event)):
            render.say(f"{at - began:7.1f} s {text}", style=STYLES.get(event["type"], ""))
    if newest:
        render.say(f"          {newest}", style="dim")
