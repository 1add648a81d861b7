"""`skywright predict`: ask an endpoint, and see which release answered."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.errors import UserError, did_you_mean
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import call, endpoint_of, stack_contract
from ml_jobs.contract import Endpoint
from ml_jobs.identity import read_token

if TYPE_CHECKING:
    from ml_jobs.serve.client import Answer, Client


def predict(
    stack: StackOption = "local",
    endpoint: Annotated[str | None, typer.Option(help="the endpoint; the stack's only one if not given")] = None,
    sample: Annotated[int, typer.Option(min=1, max=1000, help="rows of the model's data set, one request each")] = 1,
    given: Annotated[
        str | None, typer.Option("--input", help="JSON file with a request or rows; - reads stdin")
    ] = None,
    key: Annotated[str | None, typer.Option(help="stay with one release, as this user would")] = None,
    release: Annotated[str | None, typer.Option(help="ask this release, whatever its weight")] = None,
    as_json: JsonOption = False,
) -> None:
    """Send rows to an endpoint and show the predictions with the release that gave each."""
    data = _read(given) if given else None
    contract = stack_contract(stack)
    chosen = endpoint_of(contract, endpoint)
    if chosen.protocol != "open-inference-v2":
        raise UserError(
            f"endpoint of stack {stack} speaks {chosen.protocol}", "Only open-inference-v2 can be asked yet."
        )
    token = read_token(contract.identities.viewer)
    rows = _ask(chosen, token, _headers(chosen.url, token, key, release), release, sample, data)
    if as_json:
        render.emit(rows)
        return
    if len(rows) > FEW:
        columns = (
            ("release", "release"),
            ("version", "version"),
            ("share", "share"),
            ("right", "right"),
            ("ms", "ms, median"),
        )
        render.table(f"{len(rows)} predictions by release", columns, _by_release(rows))
    else:
        render.table("", _columns(rows), [_shown(row) for row in rows])
    render.next_step(f"skywright status -s {stack}")


def _read(given: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if given == "-" else Path(given).read_text())
    except OSError as error:
        raise UserError(
            f"--input {given} can't be read: {error.strerror}", "Name a JSON file, or - for stdin."
        ) from None
    except ValueError as error:
        raise UserError(f"--input {given} is not JSON: {error}", "Give a request or a list of rows.") from None


def _headers(url: str, token: str, key: str | None, release: str | None) -> dict[str, str]:
    from ml_jobs.serve.client import RELEASE_HEADER

    headers = {}
    if release:
        headers[RELEASE_HEADER] = release
    if key:
        routing = call("GET", f"{url}/routes", token=token, what="the router")["routing"]
        headers[routing["key_header"]] = key
        if routing["mode"] != "sticky":
            render.errors.print("note: this endpoint routes by weight; set skywright:endpoint.routing.mode to sticky")
    return headers


def _ask(
    endpoint: Endpoint, token: str, headers: dict[str, str], release: str | None, count: int, data: Any
) -> list[dict[str, Any]]:
    """One row per prediction: the release, its outputs, and what is known to be right."""
    from ml_jobs.serve import client, samples

    with client.Client(endpoint.url, token, headers=headers) as http:
        model = _model(endpoint, release, http)
        inputs = http.metadata(model)["inputs"]
        if data is not None:
            return _rows([http.infer(model, client.request_of(data, inputs))], None)
        chosen = samples.sample(model, inputs, count)
        answers = [http.infer(model, {"inputs": [client.tensor([row], inputs[0])]}) for row in chosen.rows]
    return _rows(answers, chosen.expected)


def _model(endpoint: Endpoint, release: str | None, http: Client) -> str:
    known = endpoint.releases
    if release and known and release not in known:
        raise UserError(
            f"release {release!r} is not declared; there are: {', '.join(known)}", did_you_mean(release, list(known))
        )
    if not known:
        http.check()
        raise UserError("the stack's contract names no release of this endpoint", "Run `skywright up` to renew it.")
    return known[release].model if release else next(iter(known.values())).model


def _rows(answers: list[Answer], expected: list[Any] | None) -> list[dict[str, Any]]:
    rows = []
    for answer in answers:
        about = {"release": answer.release, "model": answer.model, "version": answer.version}
        rows += [{**about, **outputs, "seconds": answer.seconds} for outputs in answer.rows]
    if expected is not None:
        for row, right in zip(rows, expected, strict=True):
            row["expected"] = right
    return rows


FEW = 20
"""Up to so many predictions are shown one by one."""


def _by_release(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per release: its share of the answers, how many were right where that is known, and how long they took."""
    found = []
    for name in sorted({row["release"] for row in rows}):
        mine = [row for row in rows if row["release"] == name]
        label = next((key for key in mine[0] if key not in NOT_OUTPUTS and not isinstance(mine[0][key], list)), None)
        known = [row for row in mine if label and "expected" in row]
        right = sum(row[label] == row["expected"] for row in known) if label else 0
        found.append(
            {
                "release": name,
                "version": mine[0]["version"],
                "share": f"{100 * len(mine) / len(rows):.1f} %",
                "right": f"{100 * right / len(known):.1f} %" if known else None,
                "ms": round(1000 * statistics.median(row["seconds"] for row in mine), 1),
            }
        )
    return found


NOT_OUTPUTS = ("release", "model", "version", "seconds", "expected")


def _columns(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """`release` and `version` first; of a vector its largest part is shown."""
    outputs = [key for key in rows[0] if key not in NOT_OUTPUTS]
    shown = [(key, f"{key} (max)" if isinstance(rows[0][key], list) else key) for key in outputs]
    expected = [("expected", "expected")] if "expected" in rows[0] else []
    return [("release", "release"), ("version", "version"), *shown, *expected, ("ms", "ms")]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    flat = {key: max(value) if isinstance(value, list) and value else value for key, value in row.items()}
    return {**flat, "ms": round(row["seconds"] * 1000, 1)}


def register(app: typer.Typer) -> None:
    app.command()(predict)
