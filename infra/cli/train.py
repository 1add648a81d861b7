"""`skywright train`: send a job to the stack, and watch it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from catalog.errors import SkywrightError
from infra.cli import follow, render
from infra.cli.options import JsonOption, StackOption
from infra.stack import project_dir, stack_contract
from ml_jobs.contract import Capacity, JobSpec, StackContract
from ml_jobs.identity import current_user
from ml_jobs.launch import jobs
from ml_jobs.launch.base import Launcher, Origin, Run, launcher, new_run, of_stack
from ml_jobs.launch.lineage import lineage


def train(
    job: Annotated[str, typer.Argument(help="a sample job (digits), or your own as module:JOB")],
    stack: StackOption = "local",
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="key=value, once per parameter")] = None,
    capacity: Annotated[Capacity | None, typer.Option(help="which capacity it may take")] = None,
    priority: Annotated[int | None, typer.Option(help="-100 to 100; higher goes first")] = None,
    deadline: Annotated[str | None, typer.Option(help="from now, as in 90s, 15m, 70h, 2d")] = None,
    work: Annotated[str | None, typer.Option(help="useful work, as in 48h; the planner needs it")] = None,
    accelerator: Annotated[str | None, typer.Option(help="kind, as in A10G; --ranks says how many")] = None,
    image: Annotated[str | None, typer.Option(help="instead of the one that was pushed last")] = None,
    team: Annotated[str | None, typer.Option(help="whom it is accounted to")] = None,
    ranks: Annotated[int | None, typer.Option(min=1, help="ranks on each node")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="slots that it takes at once")] = None,
    wait: Annotated[bool, typer.Option("--follow/--detach", help="watch it to its end, or only send it")] = True,
    as_json: JsonOption = False,
) -> None:
    """Train a model on the stack: on spot where there is some, resumed wherever it is preempted."""
    spec = jobs.sized(jobs.find(job), accelerator=accelerator, count=ranks, nodes=nodes)
    spec = jobs.adjusted(
        spec,
        params=jobs.params(param or [], spec.params),
        capacity=capacity,
        priority=priority,
        deadline_s=jobs.seconds(deadline, "--deadline"),
        estimated_work_s=jobs.seconds(work, "--work"),
        team=team,
        image=image,
    )
    contract = stack_contract(stack)
    spec = with_image(spec, contract)
    origin = Origin(new_run(spec), current_user(), time.time(), lineage(project_dir()))
    sender = launcher(contract)
    following = followed(sender, spec, origin) if wait else None
    if following is not None:
        watch(sender, origin.run, following, stack, as_json=as_json)
        return
    run = sender.submit(sender.render(spec, origin))
    if not wait:
        if as_json:
            render.emit(shown(sender.status(run)))
        else:
            render.say(f"{run} is queued")
            render.next_step(f"skywright runs logs {run} --follow -s {stack}")
        return
    finish(sender, run, stack, as_json=as_json)


def finish(sender: Launcher, run: str, stack: str, *, as_json: bool) -> None:
    """Watch a run to its end and say how it ended. Raises SkywrightError when it did not end well."""
    watch(sender, run, sender.events(run, follow=True), stack, as_json=as_json)


def with_image(spec: JobSpec, contract: StackContract) -> JobSpec:
    """The job with the image that it names, else the stack's own. Processes of this machine need none."""
    if of_stack(contract) == "local":
        return jobs.with_folder(spec)
    if spec.image is not None:
        return spec
    from ml_jobs.image import resolve_image

    needs_cuda = spec.resources.accelerator is not None
    return jobs.adjusted(spec, image=resolve_image(contract, "train", needs_cuda=needs_cuda))


def followed(sender: Launcher, spec: JobSpec, origin: Origin) -> Iterator[dict[str, Any]] | None:
    """The run's time line, kept on the capacity that the planner chooses; None where the stack itself does that."""
    records = getattr(sender, "records", None)
    if records is None:
        return None
    from ml_jobs.spot.controller import Controller
    from ml_jobs.spot.odds import asker

    odds = asker(sender.stack, spec)
    return Controller(sender, records, spec, origin, alarm=render.complain, odds=odds).events()


def watch(sender: Launcher, run: str, events: Iterator[dict[str, Any]], stack: str, *, as_json: bool) -> None:
    """Show a run's events to its end and say how it ended. Raises SkywrightError when it did not end well."""
    if as_json:
        for _ in events:
            pass
    else:
        render.say(f"{run} on stack {stack}", style="bold")
        try:
            follow.show(events)
        except KeyboardInterrupt:
            render.say("")
            render.next_step(f"{run} goes on; stop it with: skywright runs stop {run} -s {stack}")
            raise
    ended = sender.status(run)
    if as_json:
        render.emit(shown(ended))
    if ended.state != "succeeded":
        raise failed(ended, stack)
    if not as_json:
        goodput = ended.goodput
        share = f", {goodput:.0%} of the paid time in steps that count" if goodput is not None else ""
        render.say(f"succeeded for {render.usd(ended.cost_usd)}{share}", style="green")
        if ended.model:
            model, version = ended.model["name"], ended.model["version"]
            render.next_step(f"skywright models approve {model} {version} --reason ... -s {stack}")
        else:
            render.next_step(f"skywright runs show {run} -s {stack}")


def shown(run: Run) -> dict[str, Any]:
    """A run as `--json` prints it: what the stack says, under the names that all stacks share."""
    return run.detail | {key: value for key, value in asdict(run).items() if key != "detail"}


def failed(run: Run, stack: str) -> SkywrightError:
    """How a run that did not succeed is told; 78 stays 78, so that scripts need not retry it either."""
    error = SkywrightError(
        f"{run.id} {run.state}: {run.message or 'no reason given'}", f"Its log: skywright runs logs {run.id} -s {stack}"
    )
    if run.exit_code == 78:
        error.exit_code = 78
    return error


def register(app: typer.Typer) -> None:
    app.command()(train)
