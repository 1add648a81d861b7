"""Checkpoint v1 on disk: whole or passed over, of this job or refused."""

from __future__ import annotations

import json
import math
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import UserError
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.runtime import transfer
from ml_jobs.runtime.checkpoint import (
    GENERATORS,
    MANIFEST,
    MODEL,
    OPTIMIZER,
    Checkpoint,
    CheckpointFolder,
    Damaged,
    Manifest,
    check_identity,
)
from ml_jobs.runtime.interval import DEFAULT_MTBF_S, SaveCosts, interval_s, mtbf_s

FILES = {MODEL: b"weights" * 100, OPTIMIZER: b"moments" * 100, GENERATORS: b"states"}


def manifest(step: int = 5, **changes) -> Manifest:
    base = {"step": step, "world_size": 2, "sampler": {"seed": 1}, "identity": {"entry": "a:b", "params": {"width": 8}}}
    return Manifest(**base | changes)


@pytest.fixture(params=["file", "memory"])
def folder(request, tmp_path):
    """A local disk, and an object store without rename."""
    url = f"file://{tmp_path}/job" if request.param == "file" else f"memory://{tmp_path.name}/job"
    return CheckpointFolder(url)


def test_what_is_published_is_read_back_newest_first(folder):
    for step in (5, 12, 900):
        folder.publish(manifest(step), FILES)
    assert folder.steps() == [900, 12, 5]
    found = folder.read(12)
    assert found.files == FILES and found.manifest.step == 12 and found.manifest.world_size == 2
    folder.prune(2)
    assert folder.steps() == [900, 12]


def test_a_checkpoint_of_the_same_step_is_replaced(folder):
    folder.publish(manifest(), FILES)
    folder.publish(manifest(), {**FILES, MODEL: b"other"})
    assert folder.read(5).files[MODEL] == b"other"


class _Died(BaseException):
    """A writer's process is gone: nothing of it cleans up."""


@pytest.mark.parametrize("files", range(len(FILES) + 1))
@pytest.mark.parametrize("is_replacing", [False, True])
def test_a_writer_that_dies_in_an_object_store_leaves_no_checkpoint_that_is_used(
    tmp_path, monkeypatch, files, is_replacing
):
    folder = CheckpointFolder(f"memory://{tmp_path.name}/job")
    folder.publish(manifest(4), FILES)
    if is_replacing:
        folder.publish(manifest(), {**FILES, MODEL: b"older"})
    written, write = [], transfer.write

    def until_it_dies(fs, path, data):
        if len(written) == files:
            monkeypatch.setattr(fs, "rm", lambda *_, **__: None)
            raise _Died
        written.append(path)
        write(fs, path, data)

    monkeypatch.setattr(transfer, "write", until_it_dies)
    with pytest.raises(_Died):
        folder.publish(manifest(), FILES)
    with pytest.raises(Damaged, match="no manifest"):
        folder.read(5)
    assert folder.read(4).files == FILES


def _spoil(path, how):
    data = path.read_bytes()
    match how:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(data[: len(data) // 2])
        case "altered":
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "empty":
            path.write_bytes(b"")


@pytest.mark.parametrize("name", [MODEL, OPTIMIZER, GENERATORS, MANIFEST])
@pytest.mark.parametrize("how", ["missing", "truncated", "altered", "empty"])
def test_a_spoiled_file_is_recognised(tmp_path, name, how):
    folder = CheckpointFolder(f"file://{tmp_path}")
    folder.publish(manifest(), FILES)
    _spoil(tmp_path / "step-000000005" / name, how)
    with pytest.raises(Damaged):
        folder.read(5)


@pytest.mark.parametrize(("key", "value"), [("step", 6), ("world_size", 3), ("useful_s", 9.0), ("identity", {})])
def test_an_edited_manifest_is_recognised(tmp_path, key, value):
    folder = CheckpointFolder(f"file://{tmp_path}")
    folder.publish(manifest(), FILES)
    path = tmp_path / "step-000000005" / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(Damaged, match="altered"):
        folder.read(5)


def test_a_newer_format_is_refused_in_one_line(folder):
    folder.publish(manifest(format_version=2), FILES)
    with pytest.raises(UserError, match=r"format version 2; this release reads 1"):
        folder.read(5)


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        ({"entry": "x:y", "params": {"width": 8}}, "entry is 'a:b', this job's is 'x:y'"),
        ({"entry": "a:b", "params": {"width": 16}}, "params.width is 8, this job's is 16"),
        ({"entry": "a:b", "params": {"width": 8, "depth": 2}}, "params.depth is 'absent', this job's is 2"),
        ({"entry": "a:b", "params": {"width": 8}, "tensors": {"w": ["float32", [3]]}}, "tensors"),
    ],
)
def test_another_models_checkpoint_is_named(mine, said):
    with pytest.raises(UserError) as refused:
        check_identity(Checkpoint("file:///c/step-5", manifest(), {}), mine)
    assert said in str(refused.value) and refused.value.exit_code == 78


def test_a_half_made_folder_is_swept_and_never_listed(tmp_path):
    folder = CheckpointFolder(f"file://{tmp_path}")
    (tmp_path / ".part-step-000000007-ab").mkdir()
    assert folder.steps() == []
    folder.sweep()
    assert list(tmp_path.iterdir()) == []


def test_ranks_pass_over_what_is_spoiled_and_take_the_newest_whole_one(job):
    run = job(epochs=6, pace_s=0.02)
    attempt = run.start()
    run.until(lambda: len(list(run.checkpoints.glob("step-*"))) >= 3, "third checkpoint")
    attempt.send(signal.SIGKILL)
    attempt.wait()
    newest, middle, *rest = sorted(run.checkpoints.glob("step-*"), reverse=True)
    _spoil(newest / MODEL, "truncated")
    _spoil(middle / OPTIMIZER, "altered")
    assert run.run() == [0, 0], run.log()
    resumed = run.events("resumed")[0]
    assert [item["step"] for item in resumed["passed_over"]] == [int(newest.name[5:]), int(middle.name[5:])]
    assert "bytes" in resumed["passed_over"][0]["why"] and "altered" in resumed["passed_over"][1]["why"]
    assert resumed["step"] == int(rest[0].name[5:])


def test_a_job_with_other_params_is_refused_with_78(job):
    run = job(epochs=1)
    assert run.run() == [0, 0]
    run.spec["params"] = {"epochs": 1, "width": 32}
    assert run.run() == [78, 78]
    assert "params.width is 'absent', this job's is 32" in run.log() and "Traceback" not in run.log()
    assert run.events("failed")[0]["exit_code"] == 78


def test_a_full_disk_ends_with_one_line_and_leaves_what_was_whole(job):
    run = job(epochs=20, pace_s=0.01, width=16)
    attempt = run.start()
    run.until(lambda: bool(run.events("checkpoint")), "checkpoint")
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75]
    before = sorted(path.name for path in run.checkpoints.iterdir())
    assert run.run(limits={"fsize": 8000}) == [1, 1], run.log()
    assert "can't be written: File too large" in run.log() and "Traceback" not in run.log()
    assert "another rank failed" in run.log(1)
    assert run.events("checkpoint_failed") and run.events("failed")[0]["exit_code"] == 1
    assert sorted(path.name for path in run.checkpoints.iterdir()) == before
    assert run.run() == [0, 0], run.log()


@given(
    cost=st.floats(1e-6, 10),
    mtbf=st.floats(1, 1e6),
    overhead=st.floats(0.001, 0.5),
    save=st.floats(0, 100),
)
def test_the_interval_keeps_its_bounds(cost, mtbf, overhead, save):
    seconds = interval_s(cost_s=cost, mtbf_s=mtbf, max_overhead=overhead, save_s=save)
    assert cost / seconds <= overhead * (1 + 1e-9) and seconds >= save
    assert seconds >= math.sqrt(2 * cost * mtbf) * (1 - 1e-9)


def test_the_interval_is_youngs_where_no_bound_bites():
    assert interval_s(cost_s=0.5, mtbf_s=3600, max_overhead=0.02, save_s=2) == pytest.approx(60)


def test_the_worst_pool_that_the_job_could_run_in_counts():
    roles = dict.fromkeys(("training", "serving", "pipeline", "approver"), "x")
    pools = [
        {"name": "spot-a", "instance_type": "c", "is_spot": True, "mtbf_s": 100},
        {"name": "spot-b", "instance_type": "c", "is_spot": True, "mtbf_s": 50},
        {"name": "spot-c", "instance_type": "c", "is_spot": True},
        {"name": "sure", "instance_type": "c"},
    ]
    contract = StackContract.read(
        {
            "stack": "s",
            "environment": "dev",
            "cloud": "local",
            "identities": roles,
            "storage": {"data": "d", "artifacts": "a", "checkpoints": "c"},
            "registry": {"tracking_url": "u", "models_ref": "m"},
            "pools": pools,
        }
    )
    spec = JobSpec(name="a", entry="a:b")
    assert mtbf_s(spec, contract, "spot-a") == 100
    assert mtbf_s(spec, contract, None) == 50
    assert mtbf_s(spec, contract, "spot-c") < mtbf_s(spec, contract, "sure") == DEFAULT_MTBF_S
    assert mtbf_s(spec.model_copy(update={"capacity": "on_demand_only"}), contract, "sure") == DEFAULT_MTBF_S


def test_costs_are_medians_so_that_one_slow_save_does_not_set_the_pace():
    costs = SaveCosts()
    for cost in (0.01, 0.012, 5.0):
        costs.add(cost_s=cost, save_s=cost * 2)
    assert costs.cost_s == 0.012 and costs.longest_save_s == 10
