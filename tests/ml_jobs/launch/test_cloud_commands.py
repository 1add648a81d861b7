"""What commands that ask a local stack's services say of a stack on a cloud: what it declares, or who else to ask."""

from __future__ import annotations

import json

import pytest
import typer
from contracts import STACKS
from typer.testing import CliRunner, Result

from catalog.errors import UserError
from infra.cli import audit, budget, release, status


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    status.register(made)
    audit.register(made)
    release.register(made)
    made.add_typer(budget.app, name="budget")
    return made


def typed(app: typer.Typer, monkeypatch: pytest.MonkeyPatch, stack: str, *words: str) -> Result:
    monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(STACKS / f"{stack}.json"))
    return CliRunner().invoke(app, [*words, "-s", stack])


@pytest.mark.parametrize("stack", sorted(path.stem for path in STACKS.glob("*.json")))
def test_status_tells_what_is_declared_and_asks_nobody(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    done = typed(app, monkeypatch, stack, "status", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    exported = json.loads((STACKS / f"{stack}.json").read_text())
    assert {row["state"] for row in rows} == {"declared"}
    told = [row["what"] for row in rows]
    assert {f"pool {pool['name']}" for pool in exported["pools"]} <= set(told)
    assert {f"endpoint {name}" for name in exported["endpoints"]} <= set(told)
    assert f"skywright runs list -s {stack}" in typed(app, monkeypatch, stack, "status").output.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("audit", "--verify"), "its platform's own audit log"),
        (("rollback",), "rollback and export, .* are not offered there"),
        (("rollback", "--now"), "rollback and export, .* are not offered there"),
        (("budget", "status"), "an identity of the stack's cloud"),
    ],
)
@pytest.mark.parametrize("stack", ["aws-prod", "azure-prod", "gcp-prod"])
def test_what_only_a_local_stack_has_is_refused_in_one_line(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch, stack: str, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.delenv("SKYWRIGHT_TOKEN_FILE", raising=False)
    failed = typed(app, monkeypatch, stack, *words)
    with pytest.raises(UserError, match=told):
        raise failed.exception or AssertionError(failed.output)
