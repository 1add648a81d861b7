"""`skywright predict` before a router process; the stack's contract is a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from router_house import RunningRouter, StandIn
from typer.testing import CliRunner

from catalog.errors import SkywrightError
from infra.cli import predict
from ml_jobs.contract import Endpoint, Identities, RegistryRefs, Release, StackContract, StorageUrls
from ml_jobs.identity import Role

ROWS = [[float(value % 17) for value in range(64)]] * 2


class Command:
    """The command on a stack whose contract names `releases`."""

    def __init__(self, router: RunningRouter, monkeypatch: pytest.MonkeyPatch) -> None:
        self.router = router
        self.monkeypatch = monkeypatch
        self.app = typer.Typer()
        predict.register(self.app)

    def __call__(self, *args: str, releases: tuple[str, ...] = ("stable", "canary"), stdin: str | None = None) -> Any:
        root = self.router.house.root
        token = root / "identity" / "viewer.token"
        token.write_text(self.router.house.token(Role.VIEWER))
        release = Release(model="toy", version=1, artifact_url="file:///a", artifact_sha256="0" * 64)
        contract = StackContract(
            stack="test", environment="test", cloud="local",
            identities=Identities(training="t", serving="s", pipeline="p", approver="a", viewer=token.as_uri()),
            storage=StorageUrls(data="d", artifacts="a", checkpoints="c"),
            registry=RegistryRefs(tracking_url="http://127.0.0.1:1", models_ref="m"),
            endpoints={"predict": Endpoint(url=self.router.url, releases=dict.fromkeys(releases, release))},
        )  # fmt: skip
        (root / "contract.json").write_text(contract.model_dump_json())
        self.monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(root / "contract.json"))
        result = CliRunner().invoke(self.app, list(args), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return json.loads(result.stdout) if "--json" in args else result.stdout


@pytest.fixture
def command(running: RunningRouter, monkeypatch: pytest.MonkeyPatch):
    with StandIn(label=1).running() as stable, StandIn(label=2).running() as canary:
        running.put({"stable": stable.route(weight=50), "canary": canary.route(2, weight=50)}, mode="sticky")
        yield Command(running, monkeypatch)
        running.put({})


def test_each_sample_row_is_a_request_and_shows_who_answered(command):
    rows = command("--sample", "4", "--json")
    assert [row["release"] for row in rows] == ["stable", "canary", "stable", "canary"]
    assert [row["label"] for row in rows] == [1, 2, 1, 2]
    assert all(0 <= row["expected"] <= 9 for row in rows)
    assert "stable" in command("--sample", "2")


def test_a_key_stays_and_a_release_can_be_asked_by_name(command):
    assert len({row["release"] for row in command("--sample", "6", "--key", "ann", "--json")}) == 1
    assert {row["release"] for row in command("--sample", "3", "--release", "canary", "--json")} == {"canary"}


def test_rows_of_a_file_or_of_stdin_are_sent(command, tmp_path: Path):
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    assert command("--input", str(tmp_path / "rows.json"), "--json")[0]["label"] in (1, 2)
    assert command("--input", "-", "--json", stdin=json.dumps({"inputs": []}))[0]["label"] in (1, 2)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--endpoint", "predcit"), "Did you mean predict?"),
        (("--release", "canry"), "Did you mean canary?"),
        (("--input", "/nowhere.json"), "can't be read"),
    ],
)
def test_what_is_unknown_is_one_line(command, args, words):
    with pytest.raises(SkywrightError) as error:
        command(*args)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["{", '{"rows": 1}', "[]"])
def test_input_that_is_no_request_is_one_line(command, text):
    with pytest.raises(SkywrightError, match=r"--input -|neither a request nor rows"):
        command("--input", "-", stdin=text)


def test_nothing_released_is_the_routers_own_message(command):
    command.router.put({})
    with pytest.raises(SkywrightError, match="answered 503: nothing released here"):
        command(releases=())
