"""`skywright budget`: what is spent, what was held because of it, and lifting a hold."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from catalog.errors import UserError, mistake
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import call, stack_contract
from ml_jobs.contract import StackContract
from ml_jobs.holds import Effect
from ml_jobs.identity import current_user, read_token

app = typer.Typer(help="The budget: status, release, hold.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="why; kept in the audit log")]

_STEPS = (("at", "at"), ("usd", "USD"), ("effect", "effect"), ("state", "state"), ("since", "since"), ("hold", "hold"))
_LINES = (
    ("kind", "kind"),
    ("name", "name"),
    ("team", "team"),
    ("hours", "hours"),
    ("usd_per_hour", "USD/h"),
    ("cost", "USD"),
)
_HOLDS = (
    ("id", "hold"),
    ("effect", "effect"),
    ("scope", "scope"),
    ("by", "by"),
    ("since", "since"),
    ("reason", "reason"),
)


@app.command()
def status(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """What this month has cost, where it is going, and which steps and holds stand."""
    contract = stack_contract(stack)
    budget = _call(contract, "GET", "/budget", token=read_token(contract.identities.viewer))
    if as_json:
        render.emit(budget)
        return
    render.say(summary(budget))
    for name, source in budget["sources"].items():
        if source["state"] != "ok":
            render.say(f"{name} is away since {render.when(source['since'])}: {source['why']}", style="yellow")
    render.table("Steps", _STEPS, step_rows(budget))
    render.table("Spent", _LINES, line_rows(budget))
    render.table("Holds", _HOLDS, [{**hold, "since": render.when(hold["at"])} for hold in budget["holds"]])
    if budget["holds"]:
        render.next_step(f"Lift one: skywright budget release {budget['holds'][0]['id']} --reason TEXT")


@app.command()
def release(
    reason: Reason,
    hold: Annotated[str | None, typer.Argument(help="the hold's id, as `budget status` shows it")] = None,
    step: Annotated[float | None, typer.Option("--step", help="the step's percentage, in place of the id")] = None,
    stack: StackOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Lift a hold. A step's stays lifted until spending reaches the next step, or the month ends."""
    if (hold is None) == (step is None):
        raise UserError("name either a hold or a --step", "See `skywright budget status`.")
    contract = stack_contract(stack)
    token = read_token(contract.identities.admin)
    if step is not None:
        hold = hold_of(_call(contract, "GET", "/budget", token=token), step)
    query = urlencode({"reason": reason, "by": current_user()})
    lifted = _call(contract, "DELETE", f"/holds/{quote(str(hold), safe='')}?{query}", token=token)
    if as_json:
        render.emit(lifted)
    else:
        render.say(f"hold {lifted['id']} ({lifted['effect']} on {lifted['scope']}) is lifted")
        render.next_step("See what stands: skywright budget status")


@app.command("hold")
def set_hold(
    effect: Annotated[Effect, typer.Option("--effect", help="what is held")],
    reason: Reason,
    scope: Annotated[str, typer.Option("--scope", help="stack, team:NAME or endpoint:NAME")] = "stack",
    target: Annotated[str | None, typer.Option("--target", help="route_to: the release that gets all requests")] = None,
    stack: StackOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Hold something by hand, until somebody lifts it."""
    contract = stack_contract(stack)
    asked = {"effect": effect.value, "scope": scope, "reason": reason, "by": current_user(), "target": target}
    made = _call(contract, "POST", "/holds", token=read_token(contract.identities.admin), body=asked)
    if as_json:
        render.emit(made)
    else:
        render.say(f"hold {made['id']} stands: {made['effect']} on {made['scope']}")
        render.next_step(f"Lift it: skywright budget release {made['id']} --reason TEXT")


def summary(budget: dict[str, Any]) -> str:
    """One line: spent, of what, and the forecast."""
    percent = 100 * budget["spent_usd"] / budget["limit_usd"]
    return (
        f"{budget['period']}: {render.usd(budget['spent_usd'])} of {render.usd(budget['limit_usd'])} spent "
        f"({percent:.3g} %); forecast {render.usd(budget['forecast_usd'])}"
    )


def step_rows(budget: dict[str, Any]) -> list[dict[str, Any]]:
    """The ladder with each step's amount and state."""
    rows = []
    for step in budget["steps"]:
        since = step["released_at"] or step["reached_at"]
        state = "released" if step["released_at"] else "reached" if step["reached_at"] else "ahead"
        rows.append(
            {
                "at": f"{step['percent']:g} %",
                "usd": render.usd(budget["limit_usd"] * step["percent"] / 100),
                "effect": step["effect"],
                "state": state,
                "since": render.when(since),
                "hold": step["hold"],
            }
        )
    return rows


def line_rows(budget: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**line, "hours": line["seconds"] / 3600, "cost": render.usd(line["usd"])} for line in budget["lines"]]


def hold_of(budget: dict[str, Any], percent: float) -> str:
    """The hold that a step has set. Raises UserError when the step is unknown or holds nothing."""
    known = {step["percent"]: step for step in budget["steps"]}
    if percent not in known:
        raise mistake("--step", percent, ", ".join(f"{one:g}" for one in known) or "none: this budget has no steps")
    if known[percent]["hold"] is None:
        raise UserError(f"step {percent:g} % holds nothing now", "See `skywright budget status`.")
    return str(known[percent]["hold"])


def _call(contract: StackContract, method: str, path: str, *, token: str, body: Any = None) -> Any:
    if not contract.budget.state_url:
        raise UserError(f"stack {contract.stack} has no ledger", "Its cloud's own budget acts; see its console.")
    return call(method, f"{contract.budget.state_url}{path}", token=token, body=body, what="the ledger")
