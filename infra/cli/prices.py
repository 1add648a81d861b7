"""`skywright prices`: how old the price catalogue is, and renewing it."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from catalog.errors import UserError
from infra.cli import render
from infra.cli.options import JsonOption

app = typer.Typer(help="The catalogue of list prices: its age, and renewing it.", no_args_is_help=True)
KEY = "SKYWRIGHT_GCP_API_KEY"
CLOUDS = ("aws", "gcp", "azure")


@app.command()
def age(as_json: JsonOption = False) -> None:
    """Show the newest date of each file of the catalogue."""
    from catalog.prices.lines import NAMES, newest, stale

    today = date.today()
    found = {name: newest(name) for name in NAMES}
    rows = [
        {"file": name, "newest": day and day.isoformat(), "days": day and (today - day).days}
        for name, day in found.items()
    ]
    render.table("Prices", (("file", "file"), ("newest", "newest line"), ("days", "days")), rows, as_json=as_json)
    if error := stale(today):
        raise error


@app.command()
def refresh(
    cloud: Annotated[list[str] | None, typer.Option("--cloud", help="default: aws, gcp, azure")] = None,
    as_json: JsonOption = False,
) -> None:
    """Renew the prices of machines from the clouds' public price interfaces. What doesn't answer keeps its file."""
    import catalog.prices
    from infra.prices.fetching import Http
    from infra.prices.refresh import refresh as renew
    from infra.prices.sources import AwsPriceList, AzureRetail, GcpCatalog, Source

    if unknown := sorted(set(cloud or ()) - set(CLOUDS)):
        raise UserError(f"--cloud is {unknown[0]!r}; allowed: {', '.join(CLOUDS)}")
    fetch = Http()
    sources: dict[str, Source] = {
        "aws": AwsPriceList(fetch),
        "gcp": GcpCatalog(fetch, os.environ.get(KEY, "")),
        "azure": AzureRetail(fetch),
    }
    folder = Path(str(catalog.prices.__file__)).parent
    outcomes = renew(folder, {name: sources[name] for name in cloud or CLOUDS}, today=date.today())
    columns: render.Columns = (
        ("cloud", "cloud"), ("status", ""), ("confirmed", "prices answered"), ("changed", "changed"), ("why", "why"),
    )  # fmt: skip
    render.table("Prices", columns, [outcome.as_dict() for outcome in outcomes], as_json=as_json)
    if all(outcome.status == "kept" for outcome in outcomes):
        raise UserError("no price interface answered; the old prices stand", "Try again, or with --cloud aws.")
    if not as_json:
        render.next_step("what changed: catalog/prices/changes.csv · see a stack's cost: skywright review STACK")
