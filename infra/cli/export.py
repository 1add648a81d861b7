"""`skywright export`: a registered version in another format, as a version of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from catalog.errors import UserError
from infra.cli import render
from infra.cli.models import production_version
from infra.cli.options import JsonOption, StackOption
from infra.stack import stack_contract
from ml_jobs.contract import Release, StackContract
from ml_jobs.identity import current_user, read_token
from ml_jobs.registry.client import Registry
from ml_jobs.registry.recorded import need_registry

_COLUMNS = (("what", ""), ("before", "before"), ("after", "after"), ("ratio", "ratio"))


def register(app: typer.Typer) -> None:
    app.command("export")(export)


def export(
    model: Annotated[str, typer.Argument(help="the model's name")],
    version: Annotated[
        int | None, typer.Argument(help="its version; the one in production, else the last", min=1)
    ] = None,
    to_onnx: Annotated[bool, typer.Option("--onnx", help="convert to ONNX")] = False,
    is_int8: Annotated[bool, typer.Option("--int8", help="with weights of 8 bits")] = False,
    stack: StackOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Convert a version, hold its answers against the golden rows, and register the result as a new version."""
    from dataclasses import asdict

    from ml_jobs.serve import export as library

    if not to_onnx:
        raise UserError("no format is named", "Give --onnx, and --int8 with it for weights of 8 bits.")
    contract = stack_contract(stack)
    need_registry(contract)
    client = Registry(contract.registry.tracking_url, read_token(contract.identities.viewer))
    record = client.record(model, version or _default(contract, client, model))
    job = library.target_name(record["job"], is_int8=is_int8)
    url = f"{contract.storage.artifacts}/models/{model}/{job}"
    made = library.export(Release.read(client.release(model, record["version"])), url, is_int8=is_int8)
    trainer = Registry(contract.registry.tracking_url, read_token(contract.identities.training))
    number = trainer.register(url, model=model, job=job, by=current_user())
    if as_json:
        render.emit({"model": model, "version": number, "exported_from": record["version"], **asdict(made)})
        return
    render.table(f"{model} {record['version']} as ONNX{' in int8' if is_int8 else ''}", _COLUMNS, _rows(made))
    render.say(
        f"answers agree on {made.rows} golden rows: scores within {made.agreement.max_difference:.2g} "
        f"(allowed {made.tolerance:g}), {made.agreement.top1:.1%} of the first choices the same"
    )
    render.next_step(f"skywright models approve {model} {number} -s {stack} --reason ...")


def _default(contract: StackContract, client: Registry, model: str) -> int:
    if production := production_version(contract, model):
        return production
    versions = client.versions(model)
    if not versions:
        raise UserError(f"model {model!r} has no version", "See: skywright models list")
    return int(versions[-1]["version"])


def _rows(made: Any) -> list[dict[str, Any]]:
    told = (
        ("weights, KiB", "size_bytes", 1024, "{:.1f}"),
        ("one row, ms", "one_row_ms", 1, "{:.3f}"),
        (f"{made.rows} rows, ms", "golden_rows_ms", 1, "{:.3f}"),
    )
    rows = []
    for what, name, unit, form in told:
        before, after = getattr(made.before, name), getattr(made.after, name)
        shown = {"before": form.format(before / unit), "after": form.format(after / unit)}
        rows.append({"what": what, **shown, "ratio": f"{after / before:.2f}" if before else "-"})
    return rows
