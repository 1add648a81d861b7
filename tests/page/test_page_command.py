"""`skywright page`."""

from __future__ import annotations

import json
import stat
import webbrowser
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from catalog.errors import SkywrightError, UserError
from infra.cli import page
from ml_jobs.contract import StackContract
from tests.page.fixtures import Stack


@pytest.fixture
def contract(busy: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A contract whose monitor is the served page; SKYWRIGHT_CONTRACT names its file."""
    token = f"file://{tmp_path}/viewer.token"
    made = {
        "stack": "local", "environment": "dev", "cloud": "local",
        "identities": dict.fromkeys(("training", "serving", "pipeline", "approver", "viewer"), token),
        "storage": dict.fromkeys(("data", "artifacts", "checkpoints"), f"file://{tmp_path}"),
        "registry": {"tracking_url": busy.url, "models_ref": busy.url},
        "telemetry": {"metrics_url": busy.url},
    }  # fmt: skip
    (tmp_path / "contract.json").write_text(json.dumps(made))
    monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(tmp_path / "contract.json"))
    return made


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user's browser was asked to open."""
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    monkeypatch.setattr(page, "state_dir", lambda stack: tmp_path / "state" / stack)
    return asked


def run(*words: str) -> Any:
    app = typer.Typer()
    page.register(app)
    return CliRunner().invoke(app, list(words))


@pytest.mark.usefixtures("contract")
def test_prints_the_address_and_opens_nothing_where_nobody_looks(busy: Stack, opened: list[str]) -> None:
    result = run()
    assert result.exit_code == 0
    assert busy.opened in result.output.splitlines()
    assert opened == []
    assert json.loads(run("--json").output) == {"url": busy.opened}


@pytest.mark.usefixtures("contract")
def test_opens_a_browser_without_showing_it_the_token_on_the_command_line(busy: Stack, opened: list[str]) -> None:
    assert run("--open").exit_code == 0
    (url,) = opened
    assert busy.token not in url
    path = Path(url.removeprefix("file://"))
    assert busy.opened in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_stack_that_does_not_answer_or_has_no_page_says_so(contract: dict[str, Any]) -> None:
    contract["telemetry"]["metrics_url"] = "http://127.0.0.1:9"
    with pytest.raises(SkywrightError, match=r"the monitor at .* does not answer"):
        page.address(StackContract.read(contract))
    with pytest.raises(UserError, match="has no page of ours; only local stacks have"):
        page.address(StackContract.read(contract | {"cloud": "aws"}))
