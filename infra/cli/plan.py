"""`skywright plan`: what a job will cost on a stack before it is sent, and on which capacity it will run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from catalog.errors import UserError
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import stack_contract
from ml_jobs.launch import jobs
from ml_jobs.local.scheduler.plans import LOAD_S as LOCAL_LOAD_S
from ml_jobs.local.scheduler.plans import SHORTEST_S
from ml_jobs.spot.forecast import Forecast, forecast
from ml_jobs.spot.market import ASSUMED_SHARE, LOAD_S, Pools, market, pools, start_of
from ml_jobs.spot.simulate import Problem

Price = Annotated[float | None, typer.Option(min=0, help="USD of an instance hour, instead of the pool's")]


def plan(
    job: Annotated[str, typer.Argument(help="a sample job, or your own as module:JOB")],
    stack: StackOption = "local",
    deadline: Annotated[str | None, typer.Option(help="from now, as in 15m, 70h, 2d")] = None,
    work: Annotated[str | None, typer.Option(help="useful work, as in 48h; else the job's estimate")] = None,
    accelerator: Annotated[str | None, typer.Option(help="kind, as in A10G")] = None,
    ranks: Annotated[int | None, typer.Option(min=1, help="ranks on each node")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="instances that it takes at once")] = None,
    spot_price: Price = None,
    on_demand_price: Price = None,
    as_json: JsonOption = False,
) -> None:
    """Expected cost, its range, and the hours on spot, on demand and waiting, under the planner's decisions."""
    spec = jobs.adjusted(
        jobs.sized(jobs.find(job), accelerator=accelerator, count=ranks, nodes=nodes),
        deadline_s=jobs.seconds(deadline, "--deadline"),
        estimated_work_s=jobs.seconds(work, "--work"),
    )
    contract = stack_contract(stack)
    found = pools(spec, contract)
    if found is None:
        raise UserError(
            f"job {spec.name} leaves nothing to plan on stack {stack}: it takes one kind of capacity",
            "The planner chooses where a spot_preferred job fits a spot pool and an on-demand pool of the stack.",
        )
    here = {"shortest_s": SHORTEST_S, "load_s": LOCAL_LOAD_S} if contract.cloud == "local" else {}
    terms = market(spec, found, spot_price=spot_price, on_demand_price=on_demand_price, **here)
    problem = Problem(
        spec.estimated_work_s or 0.0, terms.deadline_s, terms.restart_overhead_s, terms.step_s,
        terms.spot_price, terms.on_demand_price,
    )  # fmt: skip
    told = forecast(problem, mtbf_s=found.spot.mtbf_s)
    if as_json:
        render.emit(
            {**asdict(told), "saved": told.saved, "spot_pool": found.spot.name, "on_demand_pool": found.on_demand.name}
        )
        return
    render.table(f"{spec.name} on {stack}", (("what", ""), ("value", "")), _rows(told))
    market_told = f"{found.spot.mtbf_s / 3600:g} h between preemptions" if found.spot.mtbf_s else "the planner's prior"
    assumed = [f"{told.markets} markets drawn from {market_told}"]
    if spot_price is None and found.spot.usd_per_hour is None:
        assumed.append(f"spot's price is not known and taken as {ASSUMED_SHARE:.0%} of on-demand's")
    if not here:
        assumed.append(_start(found, terms.restart_overhead_s))
    render.say(f"{'; '.join(assumed)}.", style="dim")
    flags = {"deadline": deadline, "work": work, "accelerator": accelerator, "ranks": ranks, "nodes": nodes}
    asked = "".join(f" --{name} {value}" for name, value in flags.items() if value is not None)
    render.next_step(f"skywright train {job} -s {stack}{asked}")


def _start(found: Pools, overhead_s: float) -> str:
    """How long a start takes, and who says so."""
    if (known_s := start_of(found)) is None:
        return f"how long a start takes is not known and taken as {LOAD_S:g} s"
    return (
        f"a start takes {overhead_s:g} s: {known_s:g} s by the stack's pools, the rest assumed for joining and loading"
    )


def _rows(told: Forecast) -> list[dict[str, str | None]]:
    hours = {"on spot": told.spot_h, "on demand": told.on_demand_h, "waiting": told.waiting_h}
    rows = [
        ("expected cost", render.usd(told.expected_usd)),
        ("8 of 10 markets", f"{render.usd(told.low_usd)} to {render.usd(told.high_usd)}"),
        ("all on demand", f"{render.usd(told.on_demand_usd)} ({max(0.0, told.saved):.0%} saved)"),
        ("all on spot", f"{render.usd(told.spot_usd)}, were it always there"),
        *((what, f"{value:.2f} h") for what, value in hours.items()),
        ("preemptions", f"{told.preemptions:.1f}"),
        ("done after", f"{told.finished_h:.2f} h"),
    ]
    return [{"what": what, "value": value} for what, value in rows]


def register(app: typer.Typer) -> None:
    app.command()(plan)
