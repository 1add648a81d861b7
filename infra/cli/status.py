"""`skywright status`: what of a stack answers, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from catalog.errors import SkywrightError
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import call, stack_contract
from ml_jobs.contract import StackContract
from ml_jobs.identity import read_token


def status(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """Services, releases, jobs, spend and holds of a stack. Exits 1 when something does not answer.

    On a cloud nothing is asked: it tells what the last `up` left there.
    """
    contract = stack_contract(stack)
    rows = list(_rows(contract) if contract.cloud == "local" else _declared(contract))
    columns = (("what", "what"), ("state", "state"), ("detail", "detail"), ("url", "url"))
    render.table(f"Stack {stack} ({contract.cloud}, {contract.environment})", columns, rows, as_json=as_json)
    if any(row["state"] == "away" for row in rows):
        if not as_json:
            render.next_step(f"skywright up -s {stack} mends it")
        raise typer.Exit(1)
    if contract.cloud != "local" and not as_json:
        render.next_step(f"skywright runs list -s {stack} asks for its jobs; alarms and spend are the cloud's to show")


def _rows(contract: StackContract) -> Iterator[dict[str, Any]]:
    token = read_token(contract.identities.viewer)
    yield _row("registry", contract.registry.tracking_url, "/api/skywright/models", token, _models)
    for queue in contract.queues:
        yield _row(f"queue {queue.name}", queue.ref, "/slots", token, _slots)
    for name, endpoint in contract.endpoints.items():
        yield _row(f"endpoint {name}", endpoint.url, "/routes", token, _routes)
    yield _row("monitor", contract.telemetry.metrics_url, "/api/alarms", token, _alarms)
    yield _row("budget", contract.budget.state_url, "/budget", token, _budget)


def _declared(contract: StackContract) -> Iterator[dict[str, Any]]:
    def row(what: str, detail: str, url: str | None) -> dict[str, Any]:
        return {"what": what, "state": "declared", "detail": detail, "url": url}

    registry, telemetry = contract.registry, contract.telemetry
    yield row("registry", "versions as records in the artifact store", contract.storage.artifacts)
    if registry.tracking_url:
        yield row("tracking", "MLflow", registry.tracking_url)
    for pool in contract.pools:
        kind = f"{pool.count} x {pool.accelerator}" if pool.accelerator else f"{pool.count} CPU ranks"
        capacity = "spot" if pool.is_spot else "on-demand"
        yield row(f"pool {pool.name}", f"up to {pool.max_count} {pool.instance_type} ({kind}), {capacity}", None)
    for queue in contract.queues:
        yield row(f"queue {queue.name}", "", queue.ref)
    for name, endpoint in contract.endpoints.items():
        parts = [f"{key} {of.weight_percent:g} % (version {of.version})" for key, of in endpoint.releases.items()]
        yield row(f"endpoint {name}", ", ".join(parts) or "nothing released", endpoint.url)
    yield row("metrics", "", telemetry.metrics_url)
    yield row("budget", "", contract.budget.state_url)


def _row(what: str, url: str | None, path: str, token: str, detail: Any) -> dict[str, Any]:
    try:
        return {"what": what, "state": "up", "detail": detail(call("GET", f"{url}{path}", token=token)), "url": url}
    except SkywrightError as error:
        return {"what": what, "state": "away", "detail": error.what, "url": url}


def _models(models: list[dict[str, Any]]) -> str:
    return ", ".join(f"{model['name']} ({len(model['versions'])} versions)" for model in models) or "no models yet"


def _slots(body: dict[str, Any]) -> str:
    slots = body["slots"]
    busy = [slot for slot in slots if slot["state"] == "busy"]
    return f"{len(busy)} of {len(slots)} slots busy, {len(body['queue'])} queued"


def _routes(body: dict[str, Any]) -> str:
    releases = body["releases"]
    parts = [f"{name} {route['weight_percent']:g} % (version {route['version']})" for name, route in releases.items()]
    return ", ".join(parts) or "nothing released"


def _alarms(body: Any) -> str:
    alarms = body["alarms"] if isinstance(body, dict) else body
    firing = [alarm for alarm in alarms if alarm.get("state") == "firing"]
    return ", ".join(alarm["name"] for alarm in firing) + " firing" if firing else "no alarm"


def _budget(body: dict[str, Any]) -> str:
    holds = f", {len(body['holds'])} holds" if body["holds"] else ""
    return f"{render.usd(float(body['spent_usd']))} of {render.usd(float(body['limit_usd']))} this month{holds}"


def register(app: typer.Typer) -> None:
    app.command()(status)
