"""`skywright config` and `skywright init`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from catalog.errors import SkywrightError
from infra.cli import config, init
from infra.settings import from_file
from infra.settings.schema import stack_file_schema
from infra.yamltext import parse


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: skywright\n")
    (tmp_path / "components").mkdir()
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def skywright(*args: str, answers: str | None = None) -> tuple[int, str]:
    """Exit status and everything said; a mistake is told as the command's own frame tells it."""
    app = typer.Typer()
    init.register(app)
    app.add_typer(config.app, name="config")
    result = CliRunner().invoke(app, list(args), input=answers)
    if isinstance(result.exception, SkywrightError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_init_by_flags_writes_a_stack_that_checks(project: Path) -> None:
    code, _ = skywright(
        "init", "gcp-prod", "--cloud", "gcp", "--region", "us-east1", "--environment", "prod", "--owner", "Team: 1",
        "--backend", "gs://state", "--secrets-provider", "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
    )  # fmt: skip
    assert code == 0
    path = project / "stacks" / "Pulumi.gcp-prod.yaml"
    loaded = from_file(path)
    assert (loaded.cloud, loaded.region, loaded.owner, loaded.backend) == ("gcp", "us-east1", "Team: 1", "gs://state")
    assert parse(path.read_text())["secretsprovider"].startswith("gcpkms://")
    assert skywright("config", "check", "gcp-prod")[0] == 0


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure", "kubernetes", "local"])
def test_init_knows_every_cloud(project: Path, cloud: str) -> None:
    region = {"aws": "eu-west-1", "gcp": "europe-west4", "azure": "westeurope"}.get(cloud)
    code, said = skywright("init", "new", "--cloud", cloud, *(["--region", region] if region else []))
    assert code == 0, said
    assert from_file(project / "stacks/Pulumi.new.yaml").region == region


def test_init_with_a_backend_names_the_secrets_provider(project: Path) -> None:
    assert skywright("init", "new", "--cloud", "local", "--backend", "file:///srv/state")[0] == 0
    assert parse((project / "stacks/Pulumi.new.yaml").read_text())["secretsprovider"] == "passphrase"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["x"], "cloud is not given, and nobody can be asked without a terminal. Add --cloud aws."),
        (["x", "--cloud", "aws"], "region is not given"),
        (["x", "--cloud", "aws", "--region", "us-east1"], "skywright:region is 'us-east1'; allowed: us-east-1"),
        (["x", "--cloud", "local", "--region", "here"], "a local stack has no region"),
        (["x", "--cloud", "local", "--backend", "https://x"], "--backend is 'https://x'; allowed: a URL such as file:"),
        (["x", "--cloud", "local", "--secrets-provider", "awskm://k"], "Did you mean awskms?"),
        (["a/b", "--cloud", "local"], "the stack's name is 'a/b'; allowed: letters"),
    ],
)
def test_init_writes_nothing_when_something_is_wrong(project: Path, args: list[str], said: str) -> None:
    code, output = skywright("init", *args)
    assert code == 78 and said in output
    assert not list((project / "stacks").iterdir())


def test_init_never_overwrites(project: Path) -> None:
    assert skywright("init", "x", "--cloud", "local")[0] == 0
    before = (project / "stacks/Pulumi.x.yaml").read_bytes()
    code, said = skywright("init", "x", "--cloud", "kubernetes")
    assert code == 78 and "exists already" in said
    assert (project / "stacks/Pulumi.x.yaml").read_bytes() == before


def test_init_asks_on_a_terminal(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "is_terminal", lambda: True)
    code, said = skywright("init", "x", answers="awz\naws\nus-west-9\nus-west-2\nstaging\nresearch\n\n\n")
    assert code == 0, said
    loaded = from_file(project / "stacks/Pulumi.x.yaml")
    assert (loaded.cloud, loaded.region, loaded.environment, loaded.owner, loaded.backend) == (
        "aws", "us-west-2", "staging", "research", None,
    )  # fmt: skip


def write(project: Path, **keys: Any) -> Path:
    path = project / "stacks" / "Pulumi.x.yaml"
    path.write_text(json.dumps({"config": {f"skywright:{key}": value for key, value in keys.items()}}))
    return path


def test_check_explains_every_mistake_and_exits_78(project: Path) -> None:
    path = write(project, cloud="awz", network={"zones": 9})
    for name in ("x", str(path)):
        code, said = skywright("config", "check", name)
        assert code == 78 and len(said.splitlines()) == 2
        assert "stacks/Pulumi.x.yaml: skywright:network.zones is 9; allowed: a whole number from 1 to 6." in said
    code, said = skywright("config", "check", "x", "--json")
    assert code == 78
    answer = json.loads(said)
    assert [item["path"] for item in answer["mistakes"]] == ["skywright:cloud", "skywright:network.zones"]
    assert answer["ok"] is False and answer["mistakes"][0]["remedy"] == "Did you mean aws?"


def test_check_of_a_good_stack_shows_its_settings(project: Path) -> None:
    write(project, cloud="local", budget={"monthly_limit_usd": 3})
    answer = json.loads(skywright("config", "check", "x", "--json")[1])
    assert answer["ok"] and answer["settings"]["budget"]["monthly_limit_usd"] == 3
    code, said = skywright("config", "check", "y")
    assert code == 78 and "there are: x" in said


def test_schema_is_printed_or_written(project: Path) -> None:
    assert json.loads(skywright("config", "schema")[1]) == stack_file_schema()
    for _ in range(2):
        assert skywright("config", "schema", "--out", "schema.json")[0] == 0
    assert json.loads((project / "schema.json").read_text()) == stack_file_schema()
    code, said = skywright("config", "schema", "--out", "missing/schema.json")
    assert code == 1 and "can't be written" in said
