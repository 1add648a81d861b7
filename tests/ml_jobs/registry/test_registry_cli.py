"""`skywright models` and `skywright audit`, against a running registry."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from infra.cli import audit, models
from ml_jobs.contract import StackContract
from ml_jobs.identity import Role

if TYPE_CHECKING:
    from conftest import Server


class Cli:
    """The commands as a user types them, on a stack whose contract is a file."""

    def __init__(self, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self._file = folder / "contract.json"
        monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(self._file))
        monkeypatch.setenv("SKYWRIGHT_USER", "bob")
        monkeypatch.delenv("SKYWRIGHT_TOKEN_FILE", raising=False)
        self.app = typer.Typer()
        self.app.add_typer(models.app, name="models")
        audit.register(self.app)
        self.declare({})

    def declare(self, releases: dict[str, Any]) -> None:
        tokens = self.server.root / "identity" / "tokens"
        refs = {role: (tokens / f"{role}.token").as_uri() for role in ("approver", "viewer", "admin")}
        root = self.server.root.as_uri()
        contract = {
            "stack": "test",
            "environment": "dev",
            "cloud": "local",
            "identities": {"training": "t", "serving": "s", "pipeline": "p", **refs},
            "storage": {"data": f"{root}/data", "artifacts": f"{root}/artifacts", "checkpoints": f"{root}/checkpoints"},
            "registry": {"tracking_url": self.server.url, "models_ref": self.server.url},
            "endpoints": {"predict": {"url": "http://127.0.0.1:1", "releases": releases}},
        }
        self._file.write_text(StackContract.model_validate(contract).model_dump_json())

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(self.app, list(arguments))

    def json(self, *arguments: str) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.exception
        return json.loads(result.stdout)


@pytest.fixture
def cli(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(server, tmp_path, monkeypatch)


def release(server: Server, model: str, version: int, weight: float) -> dict[str, Any]:
    return {**server.client(Role.VIEWER).release(model, version), "weight_percent": weight}


def test_versions_are_listed_shown_approved_and_rejected(server: Server, cli: Cli) -> None:
    server.register("cli", "cli-1", accuracy=0.95)
    rows = [row for row in cli.json("models", "list") if row["model"] == "cli"]
    assert [(row["version"], row["state"], row["primary"], row["value"]) for row in rows] == [
        (1, "pending", "accuracy", 0.95)
    ]
    shown = cli("models", "show", "cli", "1")
    assert shown.exit_code == 0
    assert "artifact_sha256" in shown.stdout
    said = cli("models", "approve", "cli", "1", "--reason", "first one")
    assert said.exit_code == 0, said.exception
    assert "approved: cli 1 by bob" in said.stdout
    assert cli.json("models", "show", "cli", "1")["approval"]["reason"] == "first one"
    assert cli("models", "reject", "cli", "1", "--reason", "biased").exit_code == 0
    assert [row["state"] for row in cli.json("models", "show", "cli")] == ["rejected"]


def test_a_regression_is_shown_beside_production_and_needs_an_override(server: Server, cli: Cli) -> None:
    server.register("drop", "drop-1", accuracy=0.98)
    server.register("drop", "drop-2", accuracy=0.50)
    cli("models", "approve", "drop", "1", "--reason", "good")
    cli.declare({"stable": release(server, "drop", 1, 90), "canary": release(server, "drop", 2, 10)})
    refused = cli("models", "approve", "drop", "2", "--reason", "new data")
    assert refused.exit_code == 1
    assert "accuracy falls from 0.98 to 0.5" in str(refused.exception)
    assert "production: version 1" in refused.stdout
    assert "worse" in refused.stdout
    assert server.client(Role.VIEWER).record("drop", 2)["state"] == "pending"
    done = cli.json("models", "approve", "drop", "2", "--reason", "new data", "--override", "smaller")
    assert (done["production"], done["approval"]["override"], done["comparison"][0]["verdict"]) == (
        1,
        "smaller",
        "worse",
    )
    rows = cli.json("models", "show", "drop")
    assert [(row["version"], row["is_production"]) for row in rows] == [(1, True), (2, False)]


def test_a_wrong_role_is_refused_by_the_registry_and_audited(
    server: Server, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.register("wrong", "wrong-1")
    monkeypatch.setenv("SKYWRIGHT_TOKEN_FILE", str(server.root / "identity" / "tokens" / "trainer.token"))
    result = cli("models", "approve", "wrong", "1", "--reason", "mine")
    assert result.exit_code == 1
    assert "role trainer may not POST /api/skywright/approvals" in str(result.exception)
    monkeypatch.delenv("SKYWRIGHT_TOKEN_FILE")
    entry = cli.json("audit", "--limit", "1")[0]
    assert (entry["role"], entry["outcome"]) == ("trainer", "refused")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "ghos"), "model 'ghos' is unknown.*Did you mean ghost"),
        (("show", "ghost", "7"), "ghost has no version 7; known versions: 1"),
        (("approve", "ghos", "1", "--reason", "r"), "Did you mean ghost"),
        (("reject", "ghost", "9", "--reason", "r"), "known versions: 1"),
        (("approve", "ghost", "1", "--reason", " "), "must say something"),
    ],
)
def test_mistakes_are_one_line(server: Server, cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    server.register("ghost", "ghost-1")
    result = cli("models", *arguments)
    assert result.exit_code != 0
    assert re.search(message, str(result.exception)), result.exception
    assert "\n" not in str(result.exception)


def test_an_approver_without_the_key_is_told_where_it_goes(
    server: Server, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.register("keyless", "keyless-1")
    monkeypatch.setenv("SKYWRIGHT_APPROVER_KEY_FILE", "/nowhere/approver.key")
    result = cli("models", "approve", "keyless", "1", "--reason", "r")
    assert "Name it with SKYWRIGHT_APPROVER_KEY_FILE" in str(result.exception)


def test_the_audit_log_is_read_and_proven(server: Server, cli: Cli, tmp_path: Path) -> None:
    assert cli.json("audit", "--verify")["ok"] is True
    assert len(cli.json("audit", "--limit", "3")) == 3
    assert "unbroken" in cli("audit").stdout
    log = server.artifacts / "audit" / "log.jsonl"
    whole = log.read_bytes()
    try:
        lines = whole.splitlines(keepends=True)
        log.write_bytes(b"".join([*lines[:2], *lines[3:]]))
        for options in ((), ("--verify",), ("--json",)):
            result = cli("audit", *options)
            assert result.exit_code == 1
            assert "log.jsonl line 3 does not follow the line before it" in str(result.exception)
    finally:
        log.write_bytes(whole)
