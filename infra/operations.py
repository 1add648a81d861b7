"""What commands do to a stack: release, roll back, hold. Each is checked by the stack's own services, and audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from catalog.errors import SkywrightError, UserError
from infra import releases as declared
from infra.engine.run import Engine
from infra.settings import from_file
from infra.stack import call, project_dir, stack_contract, stack_file
from ml_jobs import audit
from ml_jobs.contract import Release, StackContract
from ml_jobs.identity import current_user, read_token
from ml_jobs.registry.client import Registry
from ml_jobs.registry.recorded import need_registry

OnLine = Callable[[str], None]


def release(
    stack: str, model: str, version: int, weight: float, shadow: float, name: str, on_line: OnLine | None = None
) -> dict[str, Any]:
    """Declare `model`'s `version` as release `name`; gives back the declared releases as plain data."""
    path = stack_file(stack)
    contract = stack_contract(stack)
    settings = from_file(path)
    need_registry(contract)
    _may_release(contract)
    registry = Registry(contract.registry.tracking_url, read_token(contract.identities.viewer))
    record = Release.read(registry.release(model, version))
    if record.approval_ref is None and (settings.endpoint.requires_approval or settings.is_production):
        raise UserError(
            f"{model} version {version} is not approved, and this stack releases only what is",
            f"skywright models approve {model} {version} --reason '...' -s {stack}",
        )
    before = dict(settings.endpoint.releases)
    after = declared.with_release(before, name, record, weight=weight, shadow=shadow)
    return _carry_out(stack, contract, "release", f"{model} version {version}", before, after, on_line)


def rollback(stack: str, reason: str, on_line: OnLine | None = None) -> dict[str, Any]:
    """Declare the releases that stood before the last change."""
    path = stack_file(stack)
    contract = stack_contract(stack)
    need_registry(contract)
    _may_release(contract)
    before = dict(from_file(path).endpoint.releases)
    after = declared.last_but_one(audit.audit(contract.storage.artifacts).entries(), before)
    return _carry_out(stack, contract, "rollback", reason, before, after, on_line)


def route_back(stack: str, reason: str) -> dict[str, Any]:
    """A hold that routes everything to the release that served before, at once, without an `up`."""
    contract = stack_contract(stack)
    need_registry(contract)
    present = dict(from_file(stack_file(stack)).endpoint.releases)
    earlier = declared.last_but_one(audit.audit(contract.storage.artifacts).entries(), present)
    running = [name for name in earlier if name in present]
    if not running:
        raise UserError(
            "no earlier release still runs, so nothing can be routed to it",
            f"Bring it back: skywright rollback -s {stack}",
        )
    target = max(running, key=lambda name: earlier[name].weight_percent)
    token = read_token(contract.identities.admin)
    body = {"effect": "route_to", "scope": "stack", "reason": reason, "by": current_user(), "target": target}
    hold: dict[str, Any] = call("POST", f"{contract.budget.state_url}/holds", token=token, body=body, what="the ledger")
    return hold


def _may_release(contract: StackContract) -> None:
    """The router says whether this token may change routes, by putting those that it has. Raises what it refuses."""
    for endpoint in contract.endpoints.values():
        token = read_token(contract.identities.admin)
        routes = call("GET", f"{endpoint.url}/routes", token=token, what="the router")
        body = {"routing": routes["routing"], "releases": routes["releases"]}
        call("PUT", f"{endpoint.url}/routes", token=token, body=body, what="the router")


def _carry_out(
    stack: str,
    contract: StackContract,
    what: str,
    target: str,
    before: dict[str, Release],
    after: dict[str, Release],
    on_line: OnLine | None,
) -> dict[str, Any]:
    outcome = "failed"
    try:
        declared.declare(stack_file(stack), Engine(project_dir(), stack), after, on_line=on_line)
        outcome = "done"
    except SkywrightError:
        outcome = "refused"
        raise
    finally:
        audit.record(
            contract.storage.artifacts, who=current_user(), role="admin", what=what, target=target,
            before=declared.plain(before), after=declared.plain(after), outcome=outcome,
        )  # fmt: skip
    return declared.plain(after)
