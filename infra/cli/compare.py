"""`skywright compare`: one stack's neutral settings, priced on each cloud."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli import render
from infra.cli.options import JsonOption

if TYPE_CHECKING:
    from infra.comparing import Priced


def compare(
    stack: Annotated[str, typer.Argument(help="the stack whose settings are priced")],
    clouds: Annotated[str, typer.Option("--clouds", help="separated by commas")] = "aws,gcp,azure,kubernetes",
    region: Annotated[
        list[str] | None, typer.Option("--region", help="CLOUD=REGION in place of the nearest; may be given again")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Price the same settings on each cloud, offline, by list prices: USD for a month of 730 hours."""
    from infra import comparing
    from infra.stack import stack_file

    given = comparing.clouds_given(clouds)
    priced = comparing.compare(stack_file(stack), given, regions=comparing.regions_given(region or []))
    if as_json:
        render.emit([item.as_dict() for item in priced])
        return
    parts = dict.fromkeys(part for item in priced for part in item.parts())
    rows: list[dict[str, str | None]] = [
        {"what": part, **{item.cloud: _cell(item.parts().get(part)) for item in priced}} for part in parts
    ]
    for what in ("low", "total", "high"):
        amounts = {item.cloud: _usd(getattr(item.estimate, what)) if _is_known(item) else None for item in priced}
        rows.append({"what": {"total": "likely"}.get(what, what), **amounts})
    unknown = {item.cloud: str(len(item.estimate.unknown)) if item.estimate else None for item in priced}
    rows.append({"what": "lines unknown", **unknown})
    columns = [("what", "USD a month"), *((item.cloud, _heading(item.cloud, item.region)) for item in priced)]
    render.table(f"{stack} on {', '.join(given)}", columns, rows)
    for item in priced:
        for text in [*item.remarks, *([item.problem] if item.problem else [])]:
            render.say(f"{item.cloud}: {text}", style="dim")
    render.say("What is unknown is in no sum; the high end has it where its bound is known.", style="dim")
    render.next_step(f"every line, its source, and what was assumed: skywright review {stack}")


def _is_known(item: Priced) -> bool:
    """Whether any line has a price."""
    return item.estimate is not None and len(item.estimate.unknown) < len(item.estimate.lines)


def _heading(cloud: str, region: str | None) -> str:
    return f"{cloud} {region}" if region else cloud


def _cell(part: tuple[Decimal | None, int] | None) -> str | None:
    """`12.30 + 2 unknown`; a dash where there is nothing at all."""
    if part is None:
        return None
    usd, unknown = part
    more = f"{unknown} unknown" if unknown else ""
    return more if usd is None else f"{usd:,.2f}{' + ' if more else ''}{more}"


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:,.2f}"


def register(app: typer.Typer) -> None:
    app.command()(compare)
