"""Which stack a command works on, and how it reaches what runs there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import CONTRACT_VARIABLE, Endpoint, StackContract

if TYPE_CHECKING:
    import httpx


def project_dir() -> Path:
    """The folder of Pulumi.yaml: the nearest one upwards, else the one that this package lies in."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").exists() and (folder / "components").is_dir():
            return folder
    return Path(__file__).resolve().parents[2]


def stack_file(stack: str) -> Path:
    """The stack's file. Raises UserError with the stacks that there are."""
    from catalog.errors import did_you_mean

    folder = project_dir() / "stacks"
    path = folder / f"Pulumi.{stack}.yaml"
    if not path.exists():
        known = sorted(file.name[len("Pulumi.") : -len(".yaml")] for file in folder.glob("Pulumi.*.yaml"))
        raise UserError(
            f"stack {stack!r} has no file {path.name} in stacks/; there are: {', '.join(known) or 'none'}",
            did_you_mean(stack, known) or f"Write one: skywright init {stack}",
        )
    return path


def state_dir(stack: str) -> Path:
    """Where this machine keeps what belongs to a stack: git-ignored."""
    return project_dir() / ".skywright" / stack


def stack_contract(stack: str) -> StackContract:
    """What the stack exported. SKYWRIGHT_CONTRACT names a file to read instead (in CI, say, without the engine)."""
    if os.environ.get(CONTRACT_VARIABLE):
        return StackContract.from_environment()
    from infra.engine.run import Engine

    stack_file(stack)
    outputs = Engine(project_dir(), stack).outputs()
    if "platform" not in outputs:
        raise UserError(f"stack {stack} is not up yet", f"Bring it up: skywright up -s {stack}")
    return StackContract.read(outputs["platform"], where=f"stack {stack}'s output 'platform'")


def endpoint_of(contract: StackContract, name: str | None = None) -> Endpoint:
    """An endpoint by name, or the only one."""
    from catalog.errors import did_you_mean

    known = sorted(contract.endpoints)
    if name is None and len(known) == 1:
        name = known[0]
    if name not in contract.endpoints:
        raise UserError(
            f"stack {contract.stack} has no endpoint {name!r}; there are: {', '.join(known) or 'none'}",
            did_you_mean(name or "", known),
        )
    return contract.endpoints[name]


def call(
    method: str,
    url: str,
    *,
    token: str | None = None,
    body: Any = None,
    timeout_s: float = 15,
    what: str = "the service",
) -> Any:
    """One HTTP request to the stack; its JSON. What the service refuses is raised in its own words."""
    import httpx

    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.request(method, url, headers=headers, json=body, timeout=timeout_s, trust_env=False)
    except httpx.HTTPError as error:
        raise SkywrightError(
            f"{what} at {url.split('?')[0]} does not answer ({type(error).__name__})",
            "See `skywright status`; `skywright up` mends a stack whose processes died.",
        ) from None
    return _json(answer, what)


def _json(answer: httpx.Response, what: str) -> Any:
    try:
        data = answer.json()
    except json.JSONDecodeError:
        data = {"error": answer.text[:200]}
    if answer.is_error:
        detail = data.get("error") if isinstance(data, dict) else None
        raise SkywrightError(f"{what} answered {answer.status_code}: {detail or answer.reason_phrase}")
    return data
