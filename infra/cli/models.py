"""`skywright models`: what is registered, and the decisions about it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from catalog.errors import SkywrightError, UserError, did_you_mean
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import stack_contract
from ml_jobs.contract import StackContract
from ml_jobs.identity import current_user, read_token
from ml_jobs.registry.client import Registry
from ml_jobs.registry.compare import Comparison, compare
from ml_jobs.registry.recorded import NOT_OFFERED, Recorded, need_registry
from ml_jobs.runtime.registration import has_registry

KEY_VARIABLE = "SKYWRIGHT_APPROVER_KEY_FILE"
"""Names the approver's private key, where it doesn't lie in the stack's identity folder."""

app = typer.Typer(help="Model versions: list, show, approve, reject.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="the model's name")]
Version = Annotated[int, typer.Argument(help="the version's number", min=1)]
Reason = Annotated[str, typer.Option("--reason", help="why; kept in the signed record")]

_VERSIONS = (
    ("model", "model"),
    ("version", "version"),
    ("state", "state"),
    ("primary", "metric"),
    ("value", "value"),
    ("job", "job"),
    ("created", "registered"),
    ("is_production", "serves"),
)
_RECORDED = (
    ("model", "model"),
    ("version", "version"),
    ("primary", "metric"),
    ("value", "value"),
    ("job", "job"),
    ("by", "by"),
    ("created", "registered"),
    ("is_production", "serves"),
    ("digest", "digest"),
)
"""Of versions that nobody decides about."""
_COMPARISON = (("metric", "metric"), ("current", "production"), ("candidate", "candidate"), ("verdict", "verdict"))


@app.command("list")
def list_models(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """Every version of every model."""
    contract = stack_contract(stack)
    rows = version_rows(_reader(contract).models(), contract)
    _show_versions(rows, contract, as_json=as_json)
    if not as_json and not rows:
        render.next_step(f"Train one: skywright train digits -s {stack}")


@app.command()
def show(
    model: Model,
    version: Annotated[
        int | None, typer.Argument(help="the version's number; all of them when left out", min=1)
    ] = None,
    stack: StackOption = "local",
    as_json: JsonOption = False,
) -> None:
    """A model's versions, or everything about one of them."""
    contract = stack_contract(stack)
    client = _reader(contract)
    if version is None:
        models = client.models()
        known = [entry["name"] for entry in models]
        if model not in known:
            raise UserError(
                f"model {model!r} is unknown; known: {', '.join(known) or 'none yet'}", did_you_mean(model, known)
            )
        rows = version_rows([entry for entry in models if entry["name"] == model], contract)
        _show_versions(rows, contract, as_json=as_json)
        return
    record = client.record(model, version)
    if as_json:
        render.emit(record)
    else:
        render.table(f"{model} {version}", (("key", ""), ("value", "")), list(facts(record)))


@app.command()
def approve(
    model: Model,
    version: Version,
    reason: Reason,
    override: Annotated[str | None, typer.Option("--override", help="accept a worse primary metric, and why")] = None,
    stack: StackOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Sign that a version may be released, after a look at its evaluation beside production's."""
    contract = stack_contract(stack)
    client = _client(contract, contract.identities.approver)
    production = production_version(contract, model)
    comparison = comparison_of(client, model, version, production)
    rows = [{**dataclasses.asdict(row), "verdict": row.verdict.value} for row in comparison.rows]
    if not as_json:
        beside = f"production: version {production}" if production else "nothing is in production yet"
        render.table(f"{model} {version}, {beside}", _COMPARISON, rows)
    if comparison.regression and not override:
        raise SkywrightError(
            f"{model} {version} regresses against production (version {production}): {comparison.regression}",
            "Approve it with --override REASON if that is wanted.",
        )
    record = client.approve(
        model,
        version,
        by=current_user(),
        reason=reason,
        key=approver_key(contract),
        production=production,
        override=override,
    )
    if as_json:
        render.emit({"production": production, "comparison": rows, "approval": record})
        return
    render.say(f"approved: {model} {version} by {record['by']} ({record['hash'][:12]})")
    render.next_step(f"Release it: skywright release {model} {version}")


@app.command()
def reject(
    model: Model, version: Version, reason: Reason, stack: StackOption = "local", as_json: JsonOption = False
) -> None:
    """Sign that a version may not be released; revokes its approvals."""
    contract = stack_contract(stack)
    client = _client(contract, contract.identities.approver)
    record = client.reject(model, version, by=current_user(), reason=reason, key=approver_key(contract))
    if as_json:
        render.emit(record)
        return
    render.say(f"rejected: {model} {version} by {record['by']} ({record['hash'][:12]})")
    if version == production_version(contract, model):
        render.next_step("It is in production: skywright rollback")


def production_version(contract: StackContract, model: str) -> int | None:
    """The version of `model` with the largest weight among the declared releases; None when none gets requests."""
    weighted = [
        (release.weight_percent, release.version)
        for endpoint in contract.endpoints.values()
        for release in endpoint.releases.values()
        if release.model == model and release.weight_percent > 0
    ]
    return max(weighted)[1] if weighted else None


def comparison_of(client: Registry, model: str, version: int, production: int | None) -> Comparison:
    """The version's evaluation beside production's. Nothing regresses against itself or against nothing."""
    candidate = client.record(model, version)["evaluation"]
    if production is None or production == version:
        return compare(candidate, None)
    return compare(candidate, client.record(model, production)["evaluation"])


def version_rows(models: list[dict[str, Any]], contract: StackContract) -> list[dict[str, Any]]:
    """One row a version, with what a table shows first."""
    rows = []
    for entry in models:
        production = production_version(contract, entry["name"])
        for version in entry["versions"]:
            primary = version["evaluation"].get("primary")
            rows.append(
                {
                    **version,
                    "primary": primary,
                    "value": version["evaluation"].get(primary) if primary else None,
                    "created": render.ago(version["created_at"]),
                    "is_production": version["version"] == production,
                    "digest": version["artifact_sha256"][:12],
                }
            )
    return rows


def facts(record: dict[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """A record as rows of dotted keys and plain values, in its own order."""
    rows: list[dict[str, Any]] = []
    for key, value in record.items():
        if isinstance(value, dict) and value:
            rows += facts(value, f"{prefix}{key}.")
        elif value not in (None, {}, []):
            shown = render.when(value) if key in ("at", "created_at") else value
            rows.append({"key": prefix + key, "value": shown})
    return rows


def approver_key(contract: StackContract) -> bytes:
    """The approver's private key: SKYWRIGHT_APPROVER_KEY_FILE, else beside the approver's token."""
    token = Path(contract.identities.approver.removeprefix("file://"))
    path = Path(os.environ.get(KEY_VARIABLE) or token.parent.parent / "approver.key")
    try:
        return path.read_bytes()
    except OSError as error:
        raise SkywrightError(
            f"the approver's key {path} can't be read: {error.strerror}", f"Name it with {KEY_VARIABLE}."
        ) from None


def _show_versions(rows: list[dict[str, Any]], contract: StackContract, *, as_json: bool) -> None:
    is_decided = has_registry(contract)
    render.table("", _VERSIONS if is_decided else _RECORDED, rows, as_json=as_json)
    if not as_json and not is_decided:
        render.say(f"as jobs recorded them in {Recorded(contract).url}; {NOT_OFFERED}", style="dim")


def _reader(contract: StackContract) -> Registry | Recorded:
    if not has_registry(contract):
        return Recorded(contract)
    return _client(contract, contract.identities.viewer)


def _client(contract: StackContract, identity: str | None) -> Registry:
    need_registry(contract)
    return Registry(contract.registry.tracking_url, read_token(identity))
