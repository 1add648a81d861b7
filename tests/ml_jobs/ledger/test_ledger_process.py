"""The ledger as a process: a fake scheduler beside it, a real supervisord, SIGKILL, damaged files, roles."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_stack import LocalStack, eventually, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ml_jobs.holds import Effect, Holds
from ml_jobs.identity import Role
from ml_jobs.local.ledger.supervisor import Supervisor

STEPS = [
    {"percent": 50, "effect": "notify"},
    {"percent": 80, "effect": "block_new"},
    {"percent": 100, "effect": "stop_spot"},
    {"percent": 120, "effect": "scale_to_zero"},
]


class Scheduler:
    """Answers GET /usage from a list; `use` books dear seconds, so that tests need not wait."""

    def __init__(self) -> None:
        self.usage: list[dict[str, Any]] = []
        self.app = Starlette(routes=[Route("/usage", self.answer)])

    async def answer(self, request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer ey"):
            return JSONResponse({"error": "no token"}, 401)
        after = int(request.query_params["after"])
        return JSONResponse([item for item in self.usage if item["id"] > after])

    def use(self, usd: float, *, ended: bool = True) -> dict[str, Any]:
        """The last second of a slot that costs `usd` a second; it has just ended, or still runs."""
        now = time.time()
        item = {
            "id": len(self.usage) + 1,
            "job": "j-1",
            "team": "vision",
            "pool": "spot",
            "slot": f"spot-{len(self.usage)}",
            "is_spot": True,
            "started_at": now - 1,
            "ended_at": now if ended else None,
            "usd_per_hour": usd * 3600,
        }
        self.usage.append(item)
        return item


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    yield Scheduler()


@pytest.fixture
def supervisord(tmp_path: Path) -> Iterator[str]:
    """A real supervisord with two servers and another program; the path of its socket."""
    socket = Path(f"/tmp/sw-test-{uuid.uuid4().hex[:8]}.sock")
    programs = "".join(
        f"[program:{name}]\ncommand=/bin/sleep 600\nstartsecs=0\n" for name in ("server-a", "server-b", "router")
    )
    conf = tmp_path / "supervisord.conf"
    conf.write_text(
        f"[unix_http_server]\nfile={socket}\n[supervisord]\nlogfile={tmp_path}/sd.log\npidfile={tmp_path}/sd.pid\n"
        f"childlogdir={tmp_path}\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        + programs
    )
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "supervisord"), "-n", "-c", str(conf)], stdout=subprocess.DEVNULL
    )
    try:
        eventually(socket.exists, what="supervisord's socket")
        eventually(lambda: running(str(socket)) == {"server-a", "server-b"}, what="both servers run")
        yield str(socket)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)
        socket.unlink(missing_ok=True)


def running(socket: str) -> set[str]:
    return {program.name for program in Supervisor(socket).programs("server-") if program.is_running}


def settings(**changes: Any) -> dict[str, Any]:
    return {"monthly_limit_usd": 100, "steps": STEPS, "endpoint_usd_per_hour": 0, "poll_s": 0.05, **changes}


def reached(stack: LocalStack) -> list[float]:
    return [step["percent"] for step in stack.ask("ledger", "/budget").json()["steps"] if step["reached_at"]]


def effects(stack: LocalStack) -> list[str]:
    return [hold["effect"] for hold in stack.ask("ledger", "/holds").json()]


def test_spending_climbs_the_ladder_and_a_raised_limit_comes_down(stack: LocalStack, scheduler: Scheduler) -> None:
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(), {"scheduler": url})
        for usd, percents, held in [
            (55, [50], []),
            (30, [50, 80], ["block_new"]),
            (20, [50, 80, 100], ["block_new", "stop_spot"]),
        ]:
            scheduler.use(usd)
            eventually(lambda percents=percents: reached(stack) == percents, what=f"steps {percents}")
            eventually(lambda held=held: effects(stack) == held, what=f"holds {held}")
        budget = stack.ask("ledger", "/budget").json()
        assert budget["spent_usd"] == pytest.approx(105, abs=0.01)
        assert budget["spent_usd"] == pytest.approx(sum(line["usd"] for line in budget["lines"]), abs=1e-5)
        assert budget["forecast_usd"] >= budget["spent_usd"]
        assert {(line["kind"], line["name"], line["team"]) for line in budget["lines"]} == {("slot", "spot", "vision")}
        metrics = stack.ask("ledger", "/metrics").text
        assert "skywright_spend_ratio 1.05" in metrics
        assert 'skywright_budget_step{effect="block_new",percent="80"} 1.0' in metrics

        stack.kill("ledger", signal.SIGTERM)
        stack.start("ledger", settings(monthly_limit_usd=150), {"scheduler": url})  # 70 % now
        eventually(lambda: reached(stack) == [50] and effects(stack) == [], what="steps 80 and 100 are taken back")
        done = [(entry["what"], entry["who"]) for entry in stack.audit]
        assert [what for what, _ in done] == ["hold set", "hold set", "hold lifted", "hold lifted"]


def test_a_released_step_stays_released_until_the_next(stack: LocalStack, scheduler: Scheduler) -> None:
    scheduler.use(85)
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(), {"scheduler": url})
        eventually(lambda: effects(stack) == ["block_new"], what="the step of 80 %")
        hold = stack.ask("ledger", "/budget").json()["steps"][1]["hold"]
        path = f"/holds/{hold}?reason=the+demo+must+finish&by=ada"
        assert stack.ask("ledger", path, method="DELETE", role=Role.ADMIN).status_code == 200
        assert effects(stack) == []
        stack.kill("ledger")
        stack.run("ledger")
        scheduler.use(5)
        eventually(lambda: stack.ask("ledger", "/budget").json()["spent_usd"] > 89, what="90 USD")
        assert effects(stack) == []
        lifted = stack.audit[-1]
        assert (lifted["who"], lifted["what"], lifted["before"]["id"]) == ("ada", "hold lifted", hold)
        assert lifted["after"] == {"reason": "the demo must finish"}
        scheduler.use(10)
        eventually(lambda: sorted(effects(stack)) == ["block_new", "stop_spot"], what="100 % renews 80 %")


def test_sigkill_loses_no_slot_second_and_counts_none_twice(stack: LocalStack, scheduler: Scheduler) -> None:
    runs = scheduler.use(1, ended=False)
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(monthly_limit_usd=1e6), {"scheduler": url})
        for _ in range(3):
            before = time.time()
            eventually(lambda before=before: stack.ask("ledger", "/budget").json()["at"] > before, what="a new round")
            stack.kill("ledger")
            stack.run("ledger")
        runs["ended_at"] = time.time()
        true = runs["ended_at"] - runs["started_at"]
        eventually(lambda: abs(stack.ask("ledger", "/budget").json()["spent_usd"] - true) < 0.01, what=f"{true} USD")
        assert len(stack.ask("ledger", "/budget").json()["lines"]) == 1
        assert stack.audit == []


def test_a_scheduler_that_counts_anew_is_neither_lost_nor_counted_twice(
    stack: LocalStack, scheduler: Scheduler
) -> None:
    for usd in (10, 20, 30):
        scheduler.use(usd)
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(monthly_limit_usd=1000), {"scheduler": url})
        eventually(lambda: stack.ask("ledger", "/budget").json()["spent_usd"] == pytest.approx(60, abs=0.01))
        second, third = scheduler.usage[1], scheduler.usage[2]
        del scheduler.usage[:]  # rebuilt: the first is lost, the others are numbered anew and cut at the millisecond
        scheduler.usage += [{**third, "id": 1, "started_at": round(third["started_at"], 3)}, {**second, "id": 2}]
        scheduler.use(5)["slot"] = "another"
        eventually(lambda: stack.ask("ledger", "/budget").json()["spent_usd"] == pytest.approx(65, abs=0.05))
        scheduler.use(7)["slot"] = "a fourth"
        eventually(lambda: stack.ask("ledger", "/budget").json()["spent_usd"] == pytest.approx(72, abs=0.05))


def test_an_answer_that_makes_no_sense_ends_nothing(stack: LocalStack, scheduler: Scheduler) -> None:
    good = scheduler.use(85)
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(), {"scheduler": url})
        for odd in ({"usd_per_hour": None}, {"started_at": "noon"}, {"slot": []}, {"is_spot": 1, "team": {}}):
            scheduler.usage[:] = [{**good, **odd, "id": 2}]
            asked = time.time()
            eventually(
                lambda asked=asked: (
                    (b := stack.ask("ledger", "/budget").json())["at"] > asked
                    and b["sources"]["scheduler"]["state"] == "away"
                ),
                what=f"{odd} is no answer",
            )
        scheduler.usage[:] = [good]
        eventually(lambda: stack.ask("ledger", "/budget").json()["sources"]["scheduler"]["state"] == "ok")
        eventually(lambda: effects(stack) == ["block_new"], what="the step of 80 %")


def test_endpoints_are_metered_over_sigkill_and_scaled_to_zero(
    stack: LocalStack, scheduler: Scheduler, supervisord: str
) -> None:
    def endpoint_seconds() -> dict[str, float]:
        lines = stack.ask("ledger", "/budget").json()["lines"]
        return {line["name"]: line["seconds"] for line in lines if line["kind"] == "endpoint"}

    started = {program.name: program.started_at for program in Supervisor(supervisord).programs("server-")}
    with serving(scheduler.app) as url:
        ours = settings(supervisor_url=f"unix://{supervisord}", endpoint_usd_per_hour=3.6, proving_s=0.5)
        stack.start("ledger", ours, {"scheduler": url})
        eventually(lambda: set(endpoint_seconds()) == {"a", "b"}, what="both servers are metered")
        stack.kill("ledger")
        stack.run("ledger")
        now = time.time()
        eventually(lambda: stack.ask("ledger", "/budget").json()["at"] > now, what="a round after the kill")
        budget = stack.ask("ledger", "/budget").json()
        for name, seconds in endpoint_seconds().items():
            metered = budget["at"] - started[f"server-{name}"]
            assert -0.001 <= seconds - metered < 1, name  # seconds are told to the millisecond

        scheduler.use(130)
        eventually(lambda: running(supervisord) == set(), what="no server runs")
        assert effects(stack) == ["block_new", "stop_spot", "scale_to_zero"]
        programs = {p.name: p for p in Supervisor(supervisord).programs("")}
        assert programs["router"].is_running  # only servers are stopped
        stopped = endpoint_seconds()
        assert stack.ask("ledger", "/budget").json()["stopped"] == ["server-a", "server-b"]
        Supervisor(supervisord).start("server-a")  # somebody starts one by hand: the hold stands
        eventually(lambda: running(supervisord) == set(), what="it is stopped again")

        stack.kill("ledger")  # what it stopped is not forgotten
        stack.run("ledger")
        hold = stack.ask("ledger", "/budget").json()["steps"][3]["hold"]
        stack.ask("ledger", f"/holds/{hold}?reason=month+end+demo", method="DELETE", role=Role.ADMIN)
        eventually(lambda: running(supervisord) == {"server-a", "server-b"}, what="both run again")
        eventually(lambda: endpoint_seconds()["b"] > stopped["b"], what="and are metered again")


def test_sources_that_are_away_are_told_and_come_back(stack: LocalStack, scheduler: Scheduler) -> None:
    scheduler.use(85)
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(supervisor_url="/tmp/nobody-listens.sock"), {"scheduler": url})
        eventually(lambda: effects(stack) == ["block_new"], what="the step of 80 %")
    away = eventually(
        lambda: (b := stack.ask("ledger", "/budget").json())["sources"]["scheduler"]["state"] == "away" and b,
        what="the scheduler is away",
    )
    assert away["spent_usd"] == pytest.approx(85, abs=0.01)
    assert away["sources"]["supervisor"]["state"] == "away"
    assert "nobody-listens" in away["sources"]["supervisor"]["why"]
    assert effects(stack) == ["block_new"]
    scheduler.use(20)
    with serving(scheduler.app, port=int(url.rsplit(":", 1)[1])):
        eventually(lambda: reached(stack) == [50, 80, 100], what="what was used meanwhile")
    assert "Traceback" not in stack.log("ledger")


def test_a_damaged_file_is_moved_aside_and_rebuilt(stack: LocalStack, scheduler: Scheduler) -> None:
    scheduler.use(110)
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(), {"scheduler": url})
        eventually(lambda: effects(stack) == ["block_new", "stop_spot"], what="both holds")
        first = stack.ask("ledger", "/holds").json()
        path = f"/holds/{first[0]['id']}?reason=needed&by=ada"
        stack.ask("ledger", path, method="DELETE", role=Role.ADMIN)
        stack.kill("ledger")
        database = stack.root / "state" / "ledger.db"
        for file in database.parent.glob("ledger.db-*"):
            file.unlink()
        database.write_bytes(b"\x00not a database\xff" * 500)
        stack.run("ledger")
        eventually(lambda: stack.ask("ledger", "/budget").json()["spent_usd"] > 109, what="read anew")
        eventually(lambda: reached(stack) == [50, 80, 100], what="the steps")
        assert stack.ask("ledger", "/holds").json() == first[1:]  # adopted, not set again; the release is remembered
        assert stack.log("ledger").count("is damaged") == 1
        assert "Traceback" not in stack.log("ledger")
        assert list(database.parent.glob("ledger.db.corrupt-*"))


def test_a_full_disk_is_told_and_nothing_is_lost(stack: LocalStack, scheduler: Scheduler) -> None:
    scheduler.use(10)
    with serving(scheduler.app) as url:
        stack.start("ledger", settings(), {"scheduler": url})
        eventually(lambda: stack.ask("ledger", "/budget").json()["spent_usd"] == pytest.approx(10, abs=0.01))
        stack.limit_files("ledger", 1)
        scheduler.use(75)
        told = eventually(
            lambda: (s := stack.ask("ledger", "/budget").json()["sources"]["storage"])["state"] == "away" and s["why"],
            what="the disk is full",
        )
        assert "ledger.db can't be used" in told
        asked = {"effect": "block_new", "reason": "by hand"}
        refused = stack.ask("ledger", "/holds", method="POST", body=asked, role=Role.ADMIN)
        assert (refused.status_code, "Free the disk" in refused.json()["error"]) == (503, True)
        stack.limit_files("ledger")
        eventually(lambda: effects(stack) == ["block_new"], what="the step of 80 %")
    assert "Traceback" not in stack.log("ledger")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"effect": "block_new"}, "reason"),
        ({"effect": "explode", "reason": "x"}, "block_new"),
        ({"effect": "block_new", "reason": "x", "scope": "team:../.."}, "team:NAME"),
        ({"effect": "route_to", "reason": "x"}, "a release's name"),
        ({"effect": "block_new", "reason": "x", "by": "budget:2026-11:80"}, "the ladder's own"),
        ({"effect": "block_new", "reason": "x" * 20_000}, "more than 16384 bytes"),
        ([], "hold"),
    ],
)
def test_a_wrong_hold_is_one_clear_line(quiet: LocalStack, body: Any, said: str) -> None:
    answer = quiet.ask("ledger", "/holds", method="POST", body=body, role=Role.ADMIN)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert effects(quiet) == []


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """One ledger with nothing to meter, shared by tests that leave no hold behind."""
    stack = LocalStack(tmp_path_factory.mktemp("quiet") / "stack")
    stack.start("ledger", settings(), {})
    yield stack
    stack.close()


def test_a_hold_by_hand_is_set_lifted_and_audited(quiet: LocalStack) -> None:
    asked = {"effect": "route_to", "scope": "endpoint:digits", "target": "v1", "reason": "v2 is wrong", "by": "ada"}
    hold = quiet.ask("ledger", "/holds", method="POST", body=asked, role=Role.ADMIN).json()
    assert {key: hold[key] for key in asked} == asked
    reader = Holds(quiet.root / "state" / "holds.jsonl")
    assert reader.find(Effect.ROUTE_TO, "endpoint:digits")
    assert quiet.ask("ledger", f"/holds/{hold['id']}", method="DELETE", role=Role.ADMIN).status_code == 400
    unknown = quiet.ask("ledger", "/holds/none?reason=x", method="DELETE", role=Role.ADMIN)
    assert unknown.status_code == 404
    assert hold["id"] in unknown.json()["error"]
    assert quiet.ask("ledger", f"/holds/{hold['id']}?reason=mended", method="DELETE", role=Role.ADMIN).is_success
    assert reader.find(Effect.ROUTE_TO, "endpoint:digits") is None
    set_, lifted = [entry for entry in quiet.audit if entry["outcome"] == "done"][-2:]
    assert (set_["before"], set_["after"]["id"], set_["who"]) == (None, hold["id"], "ada")
    assert (lifted["before"]["id"], lifted["after"], lifted["who"]) == (hold["id"], {"reason": "mended"}, "admin")


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/healthz", {None, *Role}),
        ("GET", "/budget", set(Role)),
        ("GET", "/holds", set(Role)),
        ("GET", "/metrics", set(Role)),
        ("POST", "/holds", {Role.ADMIN}),
        ("DELETE", "/holds/abc", {Role.ADMIN}),
        ("PUT", "/budget", set()),
        ("GET", "/nothing", set()),
    ],
)
def test_who_may_do_what(quiet: LocalStack, role: Role | None, method: str, path: str, allowed: set[Any]) -> None:
    before = len(quiet.audit)
    status = quiet.ask("ledger", path, role=role, method=method).status_code
    if role in allowed:
        assert status not in (401, 403)
        assert len(quiet.audit) == before
    else:
        assert status == (401 if role is None else 403)
        assert quiet.audit[-1]["outcome"] == "refused"
        assert len(quiet.audit) == before + 1


@pytest.mark.parametrize(
    ("config", "said"),
    [("{}", "ledger.json.name"), ("{", "can't be read"), (None, "can't be read")],
)
def test_a_bad_config_file_is_one_line(tmp_path: Path, config: str | None, said: str) -> None:
    path = tmp_path / "ledger.json"
    if config is not None:
        path.write_text(config)
    found = subprocess.run(
        [sys.executable, "-m", "ml_jobs.local.ledger", str(path)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 78
    assert said in found.stderr
    assert "Traceback" not in found.stderr
