"""`skywright drill`: break things on purpose, and see what it costs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from catalog.errors import SkywrightError, UserError
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import project_dir, stack_contract
from ml_jobs.identity import current_user
from ml_jobs.launch import jobs
from ml_jobs.launch.lineage import lineage
from ml_jobs.launch.local import LocalLauncher
from ml_jobs.local.drill import Drill, Notice, Report

app = typer.Typer(help="Drills: break things on purpose, and see what it costs.", no_args_is_help=True)

COLUMNS = (
    ("slot", "slot"), ("notice_s", "notice"), ("is_resumed", "resumed"), ("lost_steps", "lost steps"),
    ("lost_s", "lost"), ("detect_s", "detect"), ("wait_s", "wait"), ("start_s", "start"), ("load_s", "load"),
    ("recovery_s", "recovery"),
)  # fmt: skip


@app.callback()
def group() -> None:
    """Drills are commands of their own."""


@app.command()
def preemption(
    stack: StackOption = "local",
    count: Annotated[int, typer.Option(min=1, max=1000, help="how many preemptions")] = 20,
    seed: Annotated[int, typer.Option(help="of the moments, and of the job")] = 0,
    notice: Annotated[Notice, typer.Option(help="with notice, with none, or in turn")] = Notice.MIXED,
    job: Annotated[str, typer.Option(help="the job that is preempted")] = "digits",
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="key=value, once per parameter")] = None,
    as_json: JsonOption = False,
) -> None:
    """Preempt jobs at random moments: all must resume and end with the weights of a run that was left alone."""
    contract = stack_contract(stack)
    if contract.cloud != "local":
        raise UserError(f"stack {stack} is on {contract.cloud}; drills run on: local")
    spec = jobs.find(job)
    given = jobs.params(param or [], spec.params)
    drill = Drill(
        LocalLauncher(contract),
        LocalLauncher(contract, identity=contract.identities.admin),
        jobs.adjusted(spec, params=given | ({"seed": seed} if "seed" in given else {})),
        by=current_user(),
        lineage=lineage(project_dir()),
        seed=seed,
        notice=notice,
        say=(lambda _: None) if as_json else render.say,
    )
    report = drill.run(count)
    if as_json:
        render.emit(report.as_dict())
    else:
        _show(report)
    if not report.is_passed:
        raise SkywrightError(
            f"the drill failed: {_verdict(report)}", f"Look closer: skywright runs show RUN -s {stack}"
        )
    if not as_json:
        render.next_step(f"skywright runs list -s {stack}")


def _show(report: Report) -> None:
    facts = report.as_dict()
    for run in report.weights:
        of_run = [row for row in facts["preemptions"] if row["job"] == run]
        if of_run:
            render.table(f"Preemptions of {run}, in seconds", COLUMNS, of_run)
    rows: list[dict[str, Any]] = [{"what": name, **found} for name, found in facts["summary"].items()]
    render.table("What they cost", (("what", ""), ("p50", "p50"), ("p99", "p99")), rows)
    render.say(_verdict(report), style="green" if report.is_passed else "red")


def _verdict(report: Report) -> str:
    resumed = sum(each.is_resumed for each in report.preemptions)
    weights = "final weights equal those of" if report.are_weights_equal else "final weights DIFFER from those of"
    failed = "".join(f"; {run} {why}" for run, why in report.failed.items())
    return (
        f"{resumed} of {len(report.preemptions)} preemptions of {len(report.weights) - 1} jobs resumed; "
        f"{weights} the undisturbed run; {report.seconds:g} s{failed}"
    )
