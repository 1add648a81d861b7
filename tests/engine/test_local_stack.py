"""The local stack under the real engine: up, drift, mended, killed half-way, destroyed (tier: live, this machine)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engine.bed import CONFIG, Bed

SERVICES = ["ledger", "monitor", "registry", "router", "scheduler"]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    made = Bed(tmp_path_factory.mktemp("bed"))
    try:
        made.engine.up()
        yield made
    finally:
        if made.engine.exists():
            made.engine.destroy()


def until(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def state_of(bed: Bed) -> dict[str, dict[str, Any]]:
    """The engine's record of each resource, by name."""
    return {item["urn"].rsplit("::", 1)[1]: item for item in bed.engine.export()["deployment"]["resources"]}


def exactly_one_of_each(bed: Bed) -> bool:
    running = bed.processes()
    return sorted(running) == SERVICES and all(len(pids) == 1 for pids in running.values())


def test_up_runs_one_of_each_and_a_second_up_changes_nothing(bed: Bed) -> None:
    assert exactly_one_of_each(bed)
    before = bed.processes()
    assert bed.engine.up().is_unchanged
    assert bed.processes() == before


def test_refresh_sees_nothing_where_nothing_happened(bed: Bed) -> None:
    assert bed.engine.refresh().is_unchanged


def test_a_killed_process_is_started_again_and_refresh_tells_of_it(bed: Bed) -> None:
    (pid,) = bed.processes()["router"]
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: bed.processes().get("router") not in (None, [pid]))
    bed.engine.refresh()
    assert state_of(bed)["endpoint-router"]["outputs"]["unplanned_restarts"] == 1
    assert bed.engine.up().is_unchanged  # supervision has mended it already
    assert exactly_one_of_each(bed)


def test_a_removed_folder_is_seen_by_refresh_and_mended_by_up(bed: Bed) -> None:
    shutil.rmtree(bed.root / "checkpoints")
    bed.engine.refresh()
    assert "storage-checkpoints" not in state_of(bed)
    assert bed.engine.up().changes.get("create") == 1
    assert (bed.root / "checkpoints").is_dir()


def test_a_missing_token_is_seen_and_mended(bed: Bed) -> None:
    (bed.root / "identity" / "tokens" / "viewer.token").unlink()
    bed.engine.refresh()
    assert bed.engine.up().changes.get("update", 0) >= 1
    assert bed.token("viewer")
    assert (bed.root / "identity" / "tokens" / "viewer.token").stat().st_mode & 0o077 == 0


def test_a_new_signing_key_reaches_everybody_who_verifies_with_it(bed: Bed) -> None:
    before = bed.processes()
    (bed.root / "identity" / "issuer.key").unlink()
    bed.engine.refresh()
    bed.engine.up()
    after = bed.processes()
    assert exactly_one_of_each(bed) and all(after[name] != before[name] for name in SERVICES)
    assert bed.type("status").returncode == 0
    assert bed.engine.up().is_unchanged


def test_the_supervisors_death_takes_all_with_it_and_up_brings_back_one_of_each(bed: Bed) -> None:
    os.kill(int((bed.root / "supervisor" / "supervisord.pid").read_text()), signal.SIGKILL)
    assert until(lambda: not bed.processes())
    assert not bed.engine.refresh().is_unchanged
    assert bed.engine.up().changes.get("update", 0) >= len(SERVICES)
    assert exactly_one_of_each(bed)
    assert bed.engine.up().is_unchanged


@pytest.mark.parametrize(("name", "left"), [("test.json", 1000), ("test.json", 0), ("test.json.attrs", 0)])
def test_a_state_that_a_killed_engine_tore_is_mended_and_what_it_missed_adopted(bed: Bed, name: str, left: int) -> None:
    assert bed.engine.backend.folder is not None
    file = bed.engine.backend.folder / ".pulumi" / "stacks" / "skywright" / name
    file.write_bytes(file.read_bytes()[:left])
    bed.engine.up()
    assert exactly_one_of_each(bed)
    assert bed.engine.up().is_unchanged


@pytest.mark.parametrize("moment", ["registry.json", "monitor.json"])
def test_an_up_killed_half_way_is_finished_by_the_next_with_one_of_each(tmp_path: Path, moment: str) -> None:
    bed = Bed(tmp_path)
    bed.engine.ensure_stack()
    command = [str(bed.engine.found.cli), "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "test"]
    engine = subprocess.Popen(
        command, cwd=bed.project, env=bed.engine.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert until(lambda: (bed.root / "services" / moment).exists(), 60)
        engine.kill()
        engine.wait()
        bed.engine.up()
        assert exactly_one_of_each(bed)
        assert bed.engine.up().is_unchanged
    finally:
        engine.kill()
        engine.wait()
        bed.engine.destroy()
    assert until(lambda: not bed.leftovers())


def test_a_taken_port_is_one_line_that_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        bed = Bed(tmp_path, {**CONFIG, "skywright:local": {"ports": {"router": port}}})
        done = bed.type("up")
        assert done.returncode != 0
        assert f"skywright:local.ports.router is {port}" in done.stderr
        assert not bed.leftovers()
        assert "Traceback" not in done.stderr + done.stdout
        bed.engine.destroy()


def test_a_stack_file_with_a_mistake_never_reaches_the_engine(tmp_path: Path) -> None:
    bed = Bed(tmp_path, {"skywright:cloud": "lokal"})
    done = bed.type("up")
    assert (done.returncode, "Did you mean local?" in done.stderr) == (78, True)
    assert not bed.engine.exists()


def test_a_cloud_without_credentials_is_one_line_and_leaves_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bed = Bed(tmp_path, {"skywright:cloud": "aws", "skywright:region": "eu-west-1"})
    before = bed.file.read_bytes()
    done = bed.type("up")
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert "credentials for aws are missing or expired" in done.stderr and "aws configure sso" in done.stderr
    assert bed.file.read_bytes() == before and not bed.engine.exists()


def test_pulumi_typed_by_hand_sees_the_same_stack_without_an_activated_environment(bed: Bed) -> None:
    environ = {
        key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV",) and not key.startswith("PULUMI")
    }
    where = f"{bed.project}/.venv/bin/skywright engine where --shell"
    script = f'eval "$({where})" && pulumi preview -s test --expect-no-changes --non-interactive'
    done = subprocess.run(
        ["bash", "-c", script], cwd=bed.project, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_destroy_leaves_no_process_no_port_and_all_data(bed: Bed) -> None:
    ports = [
        int(url.rsplit(":", 1)[1]) for url in (bed.contract.registry.tracking_url, bed.contract.queues[0].ref or "")
    ]
    bed.engine.destroy()
    assert until(lambda: not bed.leftovers())
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert (bed.root / "artifacts").is_dir() and (bed.root / "state" / "registry.db").exists()
    assert not (bed.root / "supervisor").exists()


def test_destroy_removes_data_where_the_stack_says_so(tmp_path: Path) -> None:
    bed = Bed(tmp_path, {**CONFIG, "skywright:storage": {"retain_data": False}})
    bed.engine.up()
    bed.engine.destroy()
    assert not bed.root.exists()
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(bed.root) in " ".join(p.info["cmdline"] or [])]
