"""`train` under each platform's documented files and variables: what ranks get, what the platform is told."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from entry_stand import Container, free_port
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.entry.gang import verdict
from ml_jobs.registry.artifact import digest

CLUSTER = {
    "cluster": {"workerpool0": ["cmle-0:2222"], "workerpool1": ["cmle-1:2222"]},
    "environment": "cloud",
    "task": {"type": "workerpool1", "index": 0},
}
RESOURCES = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"], "network_interface_name": "eth7"}

PLATFORMS = {
    "plain": ({}, {}, {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "GROUP_RANK": "0"}),
    "sagemaker": (
        {"TRAINING_JOB_NAME": "job-1"},
        {"opt/ml/input/config/resourceconfig.json": RESOURCES},
        {"WORLD_SIZE": "4", "MASTER_ADDR": "algo-1", "GROUP_RANK": "1", "GLOO_SOCKET_IFNAME": "eth7"},
    ),
    "vertex": (
        {"CLUSTER_SPEC": json.dumps(CLUSTER), "CLOUD_ML_JOB_ID": "1"},
        {},
        {"WORLD_SIZE": "4", "MASTER_ADDR": "cmle-0", "GROUP_RANK": "1"},
    ),
    "azureml": (
        {"AZUREML_RUN_ID": "r", "WORLD_SIZE": "2", "RANK": "1", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.4",
         "MASTER_PORT": "6105", "LOCAL_RANK": "0", "DEFAULT_IDENTITY_CLIENT_ID": "of-the-job"},
        {},
        {"WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "6105", "GROUP_RANK": "1",
         "AZURE_CLIENT_ID": "of-the-job"},
    ),
    "kubernetes": (
        {"JOB_COMPLETION_INDEX": "1", "SKYWRIGHT_NODES": "2", "MASTER_ADDR": "job-1-0.job-1"},
        {"dev/termination-log": ""},
        {"WORLD_SIZE": "4", "MASTER_ADDR": "job-1-0.job-1", "GROUP_RANK": "1"},
    ),
}  # fmt: skip
"""Platform -> its variables, its files, what a rank of its second node (plain: its only one) is to find."""


@pytest.mark.parametrize("platform", PLATFORMS)
def test_ranks_find_their_place_their_job_and_their_contract(container, platform):
    variables, files, expected = PLATFORMS[platform]
    container.env |= variables
    for path, data in files.items():
        container.put(path, data)
    container.job(env={"GREETING": "hello", "RANK": "9"})
    assert container.run("train") == 0, container.log
    first = 0 if platform == "plain" else 2
    for local in (0, 1):
        found = container.rank(first + local)["env"]
        assert {key: found[key] for key in expected} == expected
        assert (found["RANK"], found["LOCAL_RANK"], found["LOCAL_WORLD_SIZE"]) == (str(first + local), str(local), "2")
        assert found["GREETING"] == "hello" and found["MASTER_PORT"].isdecimal()
        assert (found["SKYWRIGHT_NOTICE_S"], found["TORCHELASTIC_RESTART_COUNT"]) == ("120", "3")
        written = json.loads(Path(found["SKYWRIGHT_CONTRACT"]).read_text())
        assert container.contract()["storage"].items() <= written["storage"].items()
    assert container.rank(first)["job"]["job"]["lineage"] == {"git": {"commit": "c0ffee"}}


def test_where_the_platform_starts_each_rank_the_entry_point_is_that_rank(container):
    variables, _, _ = PLATFORMS["azureml"]
    container.env |= variables | {"WORLD_SIZE": "4", "SKYWRIGHT_NODES": "2"}
    container.job()
    assert container.run("train") == 42, container.log
    assert not (container.scratch / "skywright").exists()


FAILURES = {"sagemaker": "opt/ml/output/failure", "kubernetes": "dev/termination-log"}


@pytest.mark.parametrize("platform", ["plain", *FAILURES])
def test_the_platform_is_told_why_a_job_failed(container, platform):
    variables, files, _ = PLATFORMS[platform]
    container.env |= variables
    for path, data in files.items():
        container.put(path, data)
    container.job(params={"ends": {"0": 78, "2": 78}})
    assert container.run("train") == 78
    assert "params.width is 0; allowed: 1 or more" in container.log and "Traceback" not in container.log
    for path in FAILURES.values():
        is_its_own = FAILURES.get(platform) == path
        assert ((container.root / path).exists()) == is_its_own
        if is_its_own:
            assert (container.root / path).read_text() == "params.width is 0; allowed: 1 or more"


def test_a_killed_rank_ends_its_peers_after_a_grace(container):
    container.put("opt/ml/input/config/resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    container.job(params={"ends": {"0": "hangs", "1": "KILL"}})
    assert container.run("train") == 128 + signal.SIGKILL
    told = (container.root / "opt/ml/output/failure").read_text()
    assert told.startswith("local rank 1 was killed by SIGKILL")
    with pytest.raises(ProcessLookupError):
        os.kill(container.rank(0)["pid"], 0)


def test_a_notice_reaches_every_rank_and_75_comes_back(container):
    container.put("opt/ml/input/config/resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    container.job(params={"ends": {"0": "waits", "1": "waits"}})
    process = container.start("train")
    assert container.rank(0) and container.rank(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 75, container.log
    assert not (container.root / "opt/ml/output/failure").exists()


def test_hyperparameters_and_channels_go_over_the_spec(container):
    container.put("opt/ml/input/config/resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    given = {"width": "8", "rate": "0.5", "name": '"a b"'}
    toolkit = {"sagemaker_region": '"eu-west-1"', "_tuning_objective_metric": "loss"}
    container.put("opt/ml/input/config/hyperparameters.json", given | toolkit)
    modes = {name: {"TrainingInputMode": mode} for name, mode in (("rows", "File"), ("live", "Pipe"))}
    container.put("opt/ml/input/config/inputdataconfig.json", modes)
    rows = container.put("opt/ml/input/data/rows/rows.csv", "a\n1\n").parent.as_uri()
    inputs = [{"name": name, "url": f"s3://bucket/{name}"} for name in ("rows", "live", "other")]
    container.job(params={"width": 4, "rate": 1.0, "name": "x", "epochs": 3}, inputs=inputs)
    assert container.run("train") == 0, container.log
    job = container.rank(0)["job"]
    assert job["params"] == {"width": 8, "rate": 0.5, "name": "a b", "epochs": 3}
    assert [given["url"] for given in job["inputs"]] == [rows, "s3://bucket/live", "s3://bucket/other"]


@pytest.mark.parametrize(
    ("files", "variables", "told"),
    [
        ({"opt/ml/input/config/hyperparameters.json": {"widht": "8"}}, {}, "hyperparameters.json: widht"),
        ({"opt/ml/input/config/hyperparameters.json": {"width": "wide"}}, {}, "width is 'wide'; allowed: a int"),
        ({"opt/ml/input/config/hyperparameters.json": "{"}, {}, "hyperparameters.json can't be read"),
        ({"opt/ml/input/config/resourceconfig.json": {"current_host": "x", "hosts": []}}, {}, "current_host (sage"),
        ({}, {"SKYWRIGHT_JOB": "file:///nowhere/job.json"}, "SKYWRIGHT_JOB names file:///nowhere/job.json"),
        ({}, {"SKYWRIGHT_JOB": ""}, "SKYWRIGHT_JOB is not set"),
        ({}, {"SKYWRIGHT_RUN_DIR": "/proc/nowhere"}, "Name another with SKYWRIGHT_RUN_DIR"),
        ({}, {"SKYWRIGHT_PLATFORM": "sagemakr"}, "Did you mean sagemaker?"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line_for_the_log_and_the_platform(container, files, variables, told):
    container.put("opt/ml/input/config/resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    container.job(params={"width": 4})
    for path, data in files.items():
        container.put(path, data)
    container.env |= variables
    assert container.run("train") in (1, 78)
    (line,) = container.log.splitlines()
    assert told in line
    failure = container.root / "opt/ml/output/failure"
    assert not failure.exists() or failure.read_text() in line


def test_a_role_that_is_none_is_refused(container):
    assert container.run("trian") == 78
    assert "role is 'trian'; allowed: train, batch, serve. Did you mean train?" in container.log


def test_two_hosts_are_preempted_and_one_resumes_and_hands_the_model_over(tmp_path, container):
    """Real ranks of the sample job, on hosts that know of each other from SageMaker's file alone."""
    from ml_jobs.train.digits import JOB

    hosts, port = ["127.0.0.1", "localhost"], str(free_port())
    containers = [container, Container(tmp_path / "second")]
    spec = JOB.model_dump(mode="json", by_alias=True) | {"name": "digits", "entry": "sample_jobs:train_digits"}
    container.job(**spec | {"params": JOB.params | {"width": 4}, "resources": {"count": 1, "nodes": 2}})
    for host, machine in zip(hosts, containers, strict=True):
        config = {"current_host": host, "hosts": hosts, "network_interface_name": "lo"}
        machine.put("opt/ml/input/config/resourceconfig.json", config)
        (machine.root / "opt/ml/model").mkdir(parents=True)
        machine.env |= {**container.env, "MASTER_PORT": port}
    checkpoints = container.root / "store" / "checkpoints" / "job-1"

    first = [machine.start("train", program=("-m", "ml_jobs.entry")) for machine in containers]
    container.until(lambda: list(checkpoints.glob("step-*/manifest.json")), "checkpoint", timeout_s=60)
    for process in first:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in first] == [75, 75], container.log
    assert not list((container.root / "opt/ml").glob("output/*")) and not list(
        (container.root / "opt/ml/model").iterdir()
    )

    container.put("opt/ml/input/config/resourceconfig.json", {"current_host": "algo-1", "hosts": ["algo-1"]})
    assert container.run("train", program=("-m", "ml_jobs.entry")) == 0, container.log
    registered = container.root / "store" / "artifacts" / "models" / "digits" / "job-1"
    assert digest(str(container.root / "opt/ml/model")) == digest(str(registered))
    assert "resumed at step" in container.log


@given(st.lists(st.sampled_from([0, 1, 3, 75, 78, -9, -15]), max_size=6))
def test_78_stands_over_failures_over_75_over_0(codes):
    found = verdict(codes)
    failures = [code for code in codes if code not in (0, 75, 78)]
    if 78 in codes:
        assert found == 78
    elif failures:
        assert found == (failures[0] if failures[0] > 0 else 128 - failures[0])
    else:
        assert found == (75 if 75 in codes else 0)
