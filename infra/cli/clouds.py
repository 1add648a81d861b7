"""`skywright clouds`: what each cloud does of what can be asked, and which accelerators it rents."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from infra import support
from infra.cli import render
from infra.cli.options import JsonOption
from ml_jobs.launch import features

app = typer.Typer(help="What each cloud does of what can be asked, and what it can't.", invoke_without_command=True)

CloudOption = Annotated[str | None, typer.Option("--cloud", help=f"one of {', '.join(support.CLOUDS)}")]


class RuntimeName(str, Enum):
    MANAGED = "managed"
    KUBERNETES = "kubernetes"


@app.callback()
def clouds(
    context: typer.Context,
    cloud: CloudOption = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="print the README's support matrix")] = False,
    as_json: JsonOption = False,
) -> None:
    """The support matrix; with --cloud how each feature is done there, what is different, and the way round a no."""
    if context.invoked_subcommand:
        return
    if markdown:
        typer.echo(support.as_markdown())
    elif cloud:
        columns: render.Columns = (
            ("title", "feature"),
            ("support", ""),
            ("note", "how, or why not"),
            ("remedy", "instead"),
        )
        render.table(f"Features on {cloud}", columns, support.of_cloud(cloud), as_json=as_json)
    else:
        columns = (("title", "feature"), *((name, support.TITLES[name]) for name in support.CLOUDS))
        render.table("Features by cloud", columns, support.matrix(), as_json=as_json)
        if not as_json:
            render.say("cluster: by runtime kubernetes only. none: nothing of the kind is needed or made there.")
            render.next_step("how each is done, and the way round a no: skywright clouds --cloud aws")


@app.command()
def jobs(
    markdown: Annotated[bool, typer.Option("--markdown", help="print the README's table")] = False,
    as_json: JsonOption = False,
) -> None:
    """What a job can ask for, and where: by each platform that runs jobs."""
    if markdown:
        typer.echo(features.as_markdown())
        return
    titles = [each.title for each in features.launchers()]
    columns: render.Columns = (("feature", "a job asks for"), *((title, title) for title in titles))
    render.table("Jobs by platform", columns, features.matrix(), as_json=as_json)


@app.command()
def accelerators(
    cloud: CloudOption = None,
    region: Annotated[str | None, typer.Option("--region", help="default: the cloud's cheapest big one")] = None,
    runtime: Annotated[RuntimeName | None, typer.Option("--runtime", help="default: both")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the accelerators with their instance types, sizes and prices (USD per hour, from the catalog's files)."""
    rows = support.accelerators(cloud, region, runtime.value if runtime else None)
    columns = (
        ("cloud", "cloud"), ("region", "region"), ("runtime", "runtime"), ("accelerator", "kind"), ("count", "count"),
        ("instance", "instance"), ("vcpus", "vCPU"), ("memory_gib", "GiB"), ("on_demand_usd", "on-demand $/h"),
        ("spot_usd", "spot $/h"),
    )  # fmt: skip
    render.table("Accelerators", columns, rows, as_json=as_json)
