"""Killed, damaged, without room: nothing that was answered is lost, and each trouble is one clear line."""

from __future__ import annotations

import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog.errors import SkywrightError
from ml_jobs.identity import Role
from ml_jobs.local.registry import database
from ml_jobs.registry.transport import Away, Failed

if TYPE_CHECKING:
    from conftest import Server


BESIDE = ("-wal", "-shm")


@pytest.fixture(scope="module")
def own(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that a test may kill."""
    mine = type(server)(tmp_path_factory.mktemp("own"))
    yield mine
    mine.stop()


def mirrored(server: Server, model: str) -> list[tuple[int, str]]:
    """What MLflow knows of a model: (version, job)."""
    path = f"/api/2.0/mlflow/model-versions/search?filter=name%3D%27{model}%27&max_results=1000"
    versions = server.request("GET", path, Role.VIEWER).json().get("model_versions", [])
    tags = [{tag["key"]: tag["value"] for tag in version["tags"]} for version in versions]
    return sorted((int(v["version"]), t["skywright.job"]) for v, t in zip(versions, tags, strict=True))


def test_sigkill_in_the_middle_of_registrations_loses_nothing_that_was_answered(
    own: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_jobs.registry.transport._STEPS_S", ())
    own.start()
    own.register("kept", "kept-0")
    answered = {"kept-0": 1}
    enough = threading.Event()

    def register_until_it_dies() -> None:
        for number in range(1, 200):
            try:
                answered[f"kept-{number}"] = own.register("kept", f"kept-{number}")
            except Away:
                return
            if number == 3:
                enough.set()

    writer = threading.Thread(target=register_until_it_dies)
    writer.start()
    assert enough.wait(150)
    own.stop(signal.SIGKILL)
    writer.join(150)
    own.start()
    client = own.client(Role.VIEWER)
    known = {version["job"]: version["version"] for version in client.versions("kept")}
    assert len(answered) > 3
    assert {job: known[job] for job in answered} == answered
    assert sorted(known.values()) == list(range(1, len(known) + 1))
    assert mirrored(own, "kept") == sorted((version, job) for job, version in known.items())
    assert own.register("kept", "kept-0") == 1


def test_a_damaged_database_is_moved_aside_and_rebuilt(own: Server) -> None:
    """Runs after the test above, on its registry."""
    before = own.client(Role.VIEWER).models()
    own.client(Role.APPROVER).approve("kept", 2, by="bob", reason="good", key=own.approver_key)
    index = mirrored(own, "kept")
    own.stop()
    file = own.root / "state" / "registry.db"
    content = bytearray(file.read_bytes())
    content[4096 : 4096 + 20_000] = b"\x5a" * 20_000
    file.write_bytes(bytes(content))
    own.start()
    assert mirrored(own, "kept") == index
    after = own.client(Role.VIEWER).models()
    assert [entry["name"] for entry in after] == [entry["name"] for entry in before]
    assert own.client(Role.VIEWER).record("kept", 2)["state"] == "approved"
    assert own.client(Role.ADMIN).verify(own.client(Role.ADMIN).release("kept", 2)) == []
    assert own.register("kept", "kept-new") == len(index) + 1
    [aside] = [path for path in (own.root / "state").glob("registry.db.damaged-*") if path.name[-4:] not in BESIDE]
    assert aside.stat().st_size == len(content)
    [line] = [line for line in own.log.splitlines() if "damaged" in line]
    assert "moved to" in line
    assert "Traceback" not in own.log
    version = own.request("GET", "/api/2.0/mlflow/model-versions/get?name=kept&version=2", Role.VIEWER).json()[
        "model_version"
    ]
    run = own.request("GET", f"/api/2.0/mlflow/runs/get?run_id={version['run_id']}", Role.VIEWER).json()["run"]
    assert {metric["key"]: metric["value"] for metric in run["data"]["metrics"]} == {"accuracy": 0.97}


def make(path: Path) -> None:
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE t (n)")
        made.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(5000)])


@pytest.mark.parametrize("damage", ["text", "torn", "zeros", "middle"])
def test_damage_of_every_kind_is_recognised(tmp_path: Path, damage: str, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "registry.db"
    make(file)
    content = bytearray(file.read_bytes())
    if damage == "text":
        content = bytearray(b"not a database\n" * 500)
    elif damage == "torn":
        content = content[: len(content) // 2]
    elif damage == "zeros":
        content[:4096] = b"\0" * 4096
    else:
        content[8192:12288] = b"\xa5" * 4096
    file.write_bytes(bytes(content))
    assert database.prepare(file) is True
    assert database.prepare(file) is False
    assert capfd.readouterr().err.count("\n") == 1
    [aside] = tmp_path.glob("registry.db.damaged-*")
    assert aside.read_bytes() == bytes(content)


def test_a_whole_database_stays(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    assert database.prepare(file) is False
    make(file)
    assert database.prepare(file) is False
    with sqlite3.connect(file) as made:
        assert made.execute("SELECT count(*) FROM t").fetchone() == (5000,)
        assert made.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(SkywrightError, match=r"the registry can't write .*Free the disk"):
        database.prepare(tmp_path / "state" / "registry.db")


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SkywrightError, match="No space left on device"):
        database.prepare(tmp_path / "registry.db")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [("state", "the registry can't write"), ("key", "approver's public key"), ("port", "address already in use")],
)
def test_a_start_that_cannot_succeed_ends_with_one_line(
    server: Server, tmp_path: Path, break_it: str, message: str
) -> None:
    mine = type(server)(tmp_path / "root")
    if break_it == "state":
        (mine.root / "state").write_text("a file")
    elif break_it == "key":
        (mine.root / "identity" / "approver.pub").unlink()
    else:
        mine.port = server.port
    assert mine.launch().wait(timeout=120) != 0
    assert message in mine.log
    assert "Traceback" not in mine.log
    assert len(mine.log.strip().splitlines()) == 1


def test_a_disk_that_fills_up_while_it_runs_is_one_line_and_loses_nothing(own: Server) -> None:
    """Runs after the tests above, on their registry."""
    url = own.write_artifact("kept", "kept-full")
    client = own.client(Role.TRAINER)
    before = own.client(Role.VIEWER).versions("kept")
    assert own.process is not None
    _, hard = resource.prlimit(own.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(own.process.pid, resource.RLIMIT_FSIZE, (1, hard))  # every write fails as on a full disk
    try:
        with pytest.raises(Failed, match="the registry") as error:
            client.register(url, model="kept", job="kept-full", by="ann")
        assert "\n" not in str(error.value)
    finally:
        resource.prlimit(own.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert own.client(Role.VIEWER).versions("kept") == before
    assert client.register(url, model="kept", job="kept-full", by="ann") == len(before) + 1


def test_a_database_of_another_mlflow_ends_the_start_with_one_line(own: Server) -> None:
    """The last one: it spoils the registry of the tests above."""
    own.stop()
    file = own.root / "state" / "registry.db"
    with sqlite3.connect(file) as spoiled:
        spoiled.execute("UPDATE alembic_version SET version_num = 'older'")
    assert own.launch().wait(timeout=120) == 1
    assert "Detected out-of-date database schema (found version older" in own.log
    assert "mlflow db upgrade" in own.log
    assert len(own.log.strip().splitlines()) == 1
