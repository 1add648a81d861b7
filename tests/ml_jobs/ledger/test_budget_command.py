"""`skywright budget` against a real ledger, as a person types it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_stack import LocalStack, eventually, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner

from catalog.errors import SkywrightError
from infra.cli import budget
from ml_jobs.contract import CONTRACT_VARIABLE, StackContract
from ml_jobs.identity import TOKEN_VARIABLE, Role


async def usage(_: Request) -> Response:
    now = int(time.time())
    item = {
        "id": 1, "job": "j", "team": "vision", "pool": "spot", "slot": "s", "is_spot": True, "started_at": now - 2,
        "ended_at": now - 1, "usd_per_hour": 85 * 3600,
    }  # fmt: skip
    return JSONResponse([item])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack that has spent at least 85 of 100 USD."""
    made = LocalStack(tmp_path_factory.mktemp("budget") / "stack")
    steps = [{"percent": 50, "effect": "notify"}, {"percent": 80, "effect": "block_new"}]
    with serving(Starlette(routes=[Route("/usage", usage)])) as url:
        made.start("ledger", {"monthly_limit_usd": 100, "steps": steps, "poll_s": 3600}, {"scheduler": url})
        eventually(lambda: made.ask("ledger", "/holds").json(), what="the step of 80 %")
        yield made
    made.close()


@pytest.fixture(autouse=True)
def contract(stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def token(role: Role) -> str:
        return f"file://{stack.token_file(role)}"

    exported = StackContract.model_validate(
        {
            "stack": "test",
            "environment": "dev",
            "cloud": "local",
            "identities": {
                "training": token(Role.TRAINER),
                "serving": token(Role.SERVER),
                "pipeline": token(Role.TRAINER),
                "approver": token(Role.APPROVER),
                "viewer": token(Role.VIEWER),
                "admin": token(Role.ADMIN),
            },
            "storage": {"data": "file:///d", "artifacts": "file:///a", "checkpoints": "file:///c"},
            "registry": {"tracking_url": "http://127.0.0.1:1", "models_ref": "x"},
            "budget": {"state_url": stack.url("ledger")},
        }
    )
    path = tmp_path / "contract.json"
    path.write_text(exported.model_dump_json())
    monkeypatch.setenv(CONTRACT_VARIABLE, str(path))
    monkeypatch.setenv("SKYWRIGHT_USER", "ada")
    monkeypatch.setenv("COLUMNS", "200")


def skywright(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(budget.app, list(args))
    if isinstance(result.exception, SkywrightError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_status_shows_the_ladder(stack: LocalStack) -> None:
    code, text = skywright("status")
    assert code == 0
    assert "$85.00 of $100.00 spent (85 %)" in text
    assert "block_new" in text
    assert "vision" in text
    code, text = skywright("status", "--json")
    assert json.loads(text)["spent_usd"] == 85
    assert [step["reached_at"] is not None for step in json.loads(text)["steps"]] == [True, True]


def test_a_wrong_role_is_refused_and_audited(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, str(stack.token_file(Role.TRAINER)))
    before = stack.ask("ledger", "/holds").json()
    code, text = skywright("release", "--step", "80", "--reason", "because")
    assert code != 0
    assert "role trainer may not DELETE" in text
    code, text = skywright("hold", "--effect", "block_new", "--reason", "because")
    assert "role trainer may not POST" in text
    assert stack.ask("ledger", "/holds").json() == before
    assert [entry["outcome"] for entry in stack.audit[-2:]] == ["refused", "refused"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["release", "--reason", "x"], "either a hold or a --step"),
        (["release", "--step", "81", "--reason", "x"], "50, 80"),
        (["release", "--step", "50", "--reason", "x"], "holds nothing"),
        (["release", "nothing", "--reason", "x"], "does not stand"),
        (["hold", "--effect", "block_new", "--reason", "x", "--scope", "moon"], "team:NAME"),
        (["hold", "--effect", "explode", "--reason", "x"], "block_new"),
    ],
)
def test_mistakes_are_explained(args: list[str], said: str) -> None:
    code, text = skywright(*args)
    assert code != 0
    assert said in text


def test_release_and_hold_by_hand(stack: LocalStack) -> None:
    code, text = skywright("release", "--step", "80", "--reason", "the demo must finish")
    assert code == 0, text
    assert stack.ask("ledger", "/holds").json() == []
    assert stack.audit[-1]["who"] == "ada"
    code, text = skywright("hold", "--effect", "stop_spot", "--scope", "team:vision", "--reason", "quiet", "--json")
    made = json.loads(text)
    assert (made["effect"], made["scope"], made["by"]) == ("stop_spot", "team:vision", "ada")
    assert skywright("release", made["id"], "--reason", "done")[0] == 0
    assert stack.ask("ledger", "/holds").json() == []
    assert skywright("release", "--step", "80", "--reason", "again")[0] != 0
