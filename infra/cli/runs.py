"""`skywright runs`: what was trained, what is being trained, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from catalog.errors import UserError, did_you_mean
from infra.cli import follow, render
from infra.cli.options import JsonOption, StackOption
from infra.cli.train import shown
from infra.stack import stack_contract
from ml_jobs.contract import StackContract
from ml_jobs.identity import current_user
from ml_jobs.launch.base import Launcher, Run, launcher

app = typer.Typer(help="Runs: list, show, logs, stop, preempt.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="its id, or how the id begins")]

COLUMNS = (
    ("id", "run"), ("state", "state"), ("model", "model"), ("submitted", "submitted"), ("duration_s", "s"),
    ("preemptions", "preempted"), ("goodput", "goodput"), ("cost", "cost"),
)  # fmt: skip
"""Fits 80 characters; `--json` and `runs show` have the rest."""


@app.command("list")
def list_runs(
    stack: StackOption = "local",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="the newest so many")] = 20,
    as_json: JsonOption = False,
) -> None:
    """The newest runs."""
    runs = _reader(stack_contract(stack)).runs(limit)
    rows = [shown(run) for run in runs] if as_json else [_row(run) for run in runs]
    render.table(f"Runs of stack {stack}", COLUMNS, rows, as_json=as_json)


@app.command()
def show(run: RunArgument, stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """One run: its state, its parameters, its time line."""
    reader = _reader(stack_contract(stack))
    found = _resolve(reader, run)
    events = list(reader.events(found.id))
    if as_json:
        render.emit({**shown(found), "events": events})
        return
    facts = [{"key": key, "value": value} for key, value in _facts(found)]
    render.table(found.id, (("key", ""), ("value", "")), facts)
    lines = [
        {"at": render.when(event["at"]), "type": event["type"], "what": follow.words(event)}
        for event in events
        if event["type"] not in ("metrics", "checkpoint")
    ]
    render.table("Time line", (("at", "at"), ("type", "event"), ("what", "")), lines)


@app.command()
def logs(
    run: RunArgument,
    stack: StackOption = "local",
    rank: Annotated[int, typer.Option(min=0, help="whose log")] = 0,
    wait: Annotated[bool, typer.Option("--follow", "-f", help="until the run is over")] = False,
) -> None:
    """What a rank has printed."""
    reader = _reader(stack_contract(stack))
    found = _resolve(reader, run)
    for text in reader.logs(found.id, rank=rank, follow=wait):
        render.console.out(text, end="")
    if wait:
        ended = reader.status(found.id)
        render.say(f"{ended.id} {ended.state}{': ' + ended.message if ended.message else ''}", style="bold")


@app.command()
def stop(
    run: RunArgument,
    stack: StackOption = "local",
    reason: Annotated[str, typer.Option(help="kept with the run and in the audit log")] = "stopped by hand",
    as_json: JsonOption = False,
) -> None:
    """Stop a run; one that runs saves a checkpoint first."""
    sender = launcher(stack_contract(stack))
    stopped = sender.stop(_resolve(sender, run).id, by=current_user(), reason=reason)
    if as_json:
        render.emit(shown(stopped))
    else:
        render.say(f"{stopped.id} is {stopped.state}")


@app.command()
def preempt(
    run: RunArgument,
    stack: StackOption = "local",
    notice: Annotated[float, typer.Option(min=0, help="seconds between notice and loss; 0: no notice")] = 5,
    away: Annotated[float, typer.Option(min=0, help="seconds until the slot is back")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Take the slot away that a run is on, as a spot market would. Local stacks only; needs the admin's token."""
    from ml_jobs.launch.local import LocalLauncher

    contract = stack_contract(stack)
    if contract.cloud != "local":
        raise UserError(f"stack {stack} is on {contract.cloud}; only a local stack's market can be told to preempt")
    market = LocalLauncher(contract, identity=contract.identities.admin)
    found = _resolve(market, run)
    slot = found.detail.get("slot")
    if not slot:
        raise UserError(f"{found.id} is {found.state}; only a running one can be preempted")
    done = market.preempt(slot, notice_s=notice, away_s=away)
    if as_json:
        render.emit(done)
    else:
        told = f"goes away in {notice:g} s" if notice else "is gone"
        render.say(f"{slot} {told}, for {away:g} s; {found.id} will resume on the next slot")


def _reader(contract: StackContract) -> Launcher:
    return launcher(contract, identity=contract.identities.viewer)


def _resolve(reader: Launcher, name: str) -> Run:
    """The run of that id, or the only one whose id begins so. Raises UserError with the closest."""
    known = reader.runs(1000)
    exact = [run for run in known if run.id == name]
    found = exact or [run for run in known if run.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(
            f"run {name!r} could be any of: {', '.join(run.id for run in found[:8])}", "Give more of its id."
        )
    ids = [run.id for run in known]
    shown = ", ".join(ids[:5]) or "none yet"
    raise UserError(f"there is no run {name!r}; the newest are: {shown}", did_you_mean(name, ids))


def _row(run: Run) -> dict[str, Any]:
    ended, started = run.ended_at, run.started_at
    return {
        **shown(run),
        "model": f"{run.model['name']} {run.model.get('version') or ''}".strip() if run.model else None,
        "submitted": (render.when(run.submitted_at) or "")[5:] if run.submitted_at else None,
        "duration_s": round(ended - started) if ended and started else None,
        "cost": render.usd(run.cost_usd),
    }


def _facts(run: Run) -> Iterator[tuple[str, Any]]:
    row = _row(run)
    yield from ((key, row[key]) for key in ("state", "message", "model", "by", "team", "submitted", "duration_s"))
    yield from ((key, row[key]) for key in ("attempts", "preemptions", "failures", "exit_code", "goodput"))
    yield "cost", row["cost"]
    yield "slots", ", ".join(run.slots) or None
    yield "params", ", ".join(f"{key}={value}" for key, value in run.params.items())
    git = run.lineage.get("git") or {}
    yield "code", git.get("commit") and git["commit"][:12] + (" (changed)" if git.get("is_dirty") else "")
