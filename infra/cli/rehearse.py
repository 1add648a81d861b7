"""`skywright rehearse`: a stack's whole life on the real engine, without credentials and without a cloud."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from catalog.errors import SkywrightError
from infra.cli import render
from infra.cli.options import JsonOption
from infra.rehearsal.report import Report, StepResult
from infra.stack import project_dir, stack_file


def rehearse(
    stack: Annotated[str, typer.Argument(help="the stack to rehearse; its file is read, nothing of it is touched")],
    faults: Annotated[
        bool, typer.Option("--faults", help="also quota, throttling, slowness, removal by hand, a lost state")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="write the preview and the stack's export after `up` there (JSON)")
    ] = None,
    types: Annotated[bool, typer.Option("--types", help="also a row per resource type")] = False,
    as_json: JsonOption = False,
) -> None:
    """Preview, up, change, release, drift, interruption, destroy: on the real engine, against strict stand-ins."""
    from infra.program import components_of
    from infra.rehearsal import rehearsing
    from infra.settings import from_file

    path = stack_file(stack)
    components_of(from_file(path).cloud)
    with tempfile.TemporaryDirectory(prefix="skywright-rehearsal-") as folder:
        report = rehearsing.rehearse(
            project_dir(), path, Path(folder), with_faults=faults, export=export,
            on_step=None if as_json else _show,
        )  # fmt: skip
    if as_json:
        render.emit(report.plain())
    else:
        _summary(report, types)
    if not report.is_good:
        raise typer.Exit(SkywrightError.exit_code)


def _show(step: StepResult) -> None:
    counts = ", ".join(f"{count} {op}" for op, count in sorted(step.changes.items()) if op != "same")
    mark = "ok  " if step.is_good else "FAIL"
    render.say(f"{mark} {step.name:<24} {step.seconds:6.1f} s  {step.said}{f' ({counts})' if counts else ''}",
               style="" if step.is_good else "bold red")  # fmt: skip


def _summary(report: Report, has_types: bool) -> None:
    if has_types or not report.is_good:
        render.table(
            "What each type was judged by",
            (("type", "type"), ("number", "number"), ("tier", "tier"), ("judge", "judge"), ("inputs", "carried")),
            report.by_type(),
        )  # fmt: skip
    accepted = sum(proof.tier == "accepted" for proof in report.proofs)
    render.say(
        f"{accepted} of {len(report.proofs)} resources accepted by a cloud's API model or a real API server, "
        f"the rest rehearsed ({report.accepted_share:.1%}). No cloud was reached.",
        style="bold",
    )
    rest = sorted({proof.type for proof in report.proofs if proof.tier != "accepted"})
    if rest:
        render.say(f"rehearsed only: {', '.join(rest)}", style="dim")
    render.next_step(
        f"skywright up -s {report.stack}"
        if report.is_good
        else f"mend stacks/Pulumi.{report.stack}.yaml or the component"
    )


def register(app: typer.Typer) -> None:
    app.command()(rehearse)
