"""`skywright image` with docker's command line: what it is asked, what is recorded, what its refusals become."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from catalog.errors import SkywrightError, UserError
from infra.cli import image
from ml_jobs.contract import StackContract
from ml_jobs.image import build, record, resolve_image

DIGEST = "sha256:" + "a1" * 32
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/skywright-aws-prod"


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack whose artifacts lie in a folder; commands find its contract."""
    store = (tmp_path / "store").as_uri()
    roles = dict.fromkeys(("training", "serving", "pipeline", "approver"), "arn:aws:iam::1:role/x")
    data = {
        "stack": "aws-prod", "environment": "prod", "cloud": "aws", "region": "eu-west-1", "identities": roles,
        "storage": {name: f"{store}/{name}" for name in ("data", "artifacts", "checkpoints")},
        "registry": {"tracking_url": "", "models_ref": "group", "image_url": REPOSITORY},
    }  # fmt: skip
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(data))
    monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(path))
    monkeypatch.setenv("SKYWRIGHT_USER", "ada")
    return StackContract.read(data)


class Docker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        shutil.copy(Path(__file__).with_name("peer_docker.py"), folder / "peer_docker.py")
        program = folder / "docker"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {folder}/peer_docker.py "$@"\n')
        program.chmod(0o755)
        self.says()

    def says(self, *, buildx=True, daemon=True, digest=DIGEST, fails=None):
        script = {"buildx": buildx, "daemon": daemon, "digest": digest, "fails": fails or {}}
        (self.folder / "script.json").write_text(json.dumps(script))

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]


@pytest.fixture
def docker(tmp_path, monkeypatch):
    made = Docker(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


def typed(*words):
    app = typer.Typer()
    app.add_typer(image.app, name="image")
    return CliRunner().invoke(app, ["image", *words])


def test_a_push_builds_pushes_and_records_the_digest(stack, docker):
    done = typed("push", "--cuda", "--base-digest", DIGEST)
    assert done.exit_code == 0, done.exception
    assert "#1 [base 1/2] FROM the base" in done.output
    words = docker.calls()[-1]
    assert words[:2] == ["buildx", "build"] and "--push" in words and "--load" not in words
    asked = dict(itertools.pairwise(words))
    assert "--provenance=false" in words  # SageMaker takes no index
    assert (asked["--target"], asked["--platform"]) == ("train", "linux/amd64")
    assert asked["--tag"].startswith(f"{REPOSITORY}:train-cuda-")
    assert f"PYTHON_DIGEST={DIGEST}" in words and "TORCH_INDEX=" in words
    known = record.read(stack, "train")
    assert known and known.image == f"{REPOSITORY}@{DIGEST}" and known.is_cuda
    assert (known.by, known.platform) == ("ada", "linux/amd64") and known.commit
    assert resolve_image(stack, "train", needs_cuda=True) == f"{REPOSITORY}@{DIGEST}"
    assert known.tag in typed("show").output
    assert json.loads(typed("show", "--json").output)[0]["image"] == known.image


def test_without_buildx_docker_builds_then_pushes_and_tells_the_digest(stack, docker):
    docker.says(buildx=False)
    done = typed("push", "--target", "serve", "--json")
    assert done.exit_code == 0, done.exception
    built, pushed, asked = docker.calls()[-3:]
    assert built[0] == "build" and "--metadata-file" not in built and "--push" not in built
    assert pushed == ["push", built[built.index("--tag") + 1]] and asked[:2] == ["image", "inspect"]
    assert json.loads(done.output)["image"] == f"{REPOSITORY}@{DIGEST}" == resolve_image(stack, "serve")


def test_a_build_pushes_and_records_nothing(stack, docker, tmp_path):
    done = typed("build", "--jobs", str(tmp_path))
    assert done.exit_code == 0, done.exception
    words = docker.calls()[-1]
    assert "TORCH_INDEX=https://download.pytorch.org/whl/cpu" in words
    assert "--load" in words and "--push" not in words and f"jobs={tmp_path}" in words
    assert record.read(stack, "train") is None
    assert done.output.splitlines()[-1].startswith("-> skywright image push")
    told = json.loads(typed("build", "--target", "serve", "--json").output)
    assert (told["target"], told["image"].startswith(f"{REPOSITORY}:serve-")) == ("serve", True)


@pytest.mark.parametrize(
    ("script", "words", "told"),
    [
        ({"daemon": False}, (), "no Docker daemon answers: Cannot connect to the Docker daemon"),
        (
            {"fails": {"build": "ERROR: failed to push: unexpected status: 401 Unauthorized"}}, (),
            "Log docker in: aws ecr get-login-password --region eu-west-1 | docker login",
        ),
        ({"buildx": False, "fails": {"push": "denied: token has expired"}}, (), "Log docker in: aws ecr"),
        ({"fails": {"build": "write /x: no space left on device"}}, (), "docker system prune"),
        ({"fails": {"build": "ERROR: lookup x on 1.1.1.1:53: no such host"}}, (), "a registry can't be reached"),
        ({"fails": {"build": "ERROR: exit code: 3"}}, (), "docker failed: ERROR: exit code: 3"),
        ({"digest": "latest"}, (), "buildx told no digest"),
        ({}, ("--platform", "linux/arm"), "--platform is 'linux/arm'; allowed: linux/amd64, linux/arm64"),
        ({}, ("--base-digest", "latest"), "--base-digest is 'latest'"),
        ({}, ("--jobs", "/nowhere"), "--jobs is /nowhere, which is no folder"),
        ({"buildx": False}, ("--jobs", "."), "--jobs needs docker's buildx"),
    ],
)  # fmt: skip
def test_refusals_are_one_line_and_record_nothing(stack, docker, script, words, told):
    docker.says(**script)
    failed = typed("push", *words)
    assert isinstance(failed.exception, SkywrightError), failed.output
    assert told in str(failed.exception) and "\n" not in str(failed.exception)
    assert record.read(stack, "train") is None


def test_no_docker_is_one_line(stack, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    failed = typed("build")
    assert isinstance(failed.exception, SkywrightError) and "docker is not on PATH. Install it" in str(failed.exception)


def test_a_store_that_can_t_be_written_is_one_line_after_the_push(stack, docker, tmp_path):
    (tmp_path / "store/artifacts/images/train.json").mkdir(parents=True)
    failed = typed("push")
    assert isinstance(failed.exception, SkywrightError) and "can't be written" in str(failed.exception)


def test_what_is_not_recorded_or_not_for_accelerators_has_a_remedy(stack):
    with pytest.raises(
        UserError, match=r"no train image yet. Push one: skywright image push -s aws-prod --target train"
    ):
        resolve_image(stack, "train")
    record.write(
        stack, record.ImageRecord(target="train", image=f"{REPOSITORY}@{DIGEST}", tag="t", platform="linux/amd64", at=1)
    )
    assert resolve_image(stack, "train").endswith(DIGEST)
    with pytest.raises(UserError, match=r"built for CPUs alone; .* --target train --cuda"):
        resolve_image(stack, "train", needs_cuda=True)
    local = stack.model_copy(update={"cloud": "local", "registry": stack.registry.model_copy(update={"image_url": ""})})
    with pytest.raises(SkywrightError, match="Jobs of a local stack run as processes"):
        record.repository(local)


REVISIONS = st.from_regex(r"[0-9a-f]{40}", fullmatch=True) | st.just("")


@given(st.sampled_from(["train", "serve"]), REVISIONS, st.booleans(), st.booleans(), st.integers(0, 2**33))
def test_tags_are_valid_and_tell_pushes_apart(target, revision, is_dirty, is_cuda, at):
    """https://docs.docker.com/reference/cli/docker/image/tag/: up to 128 of [A-Za-z0-9_.-], not first . or -"""
    found = build.tag(target, revision, is_dirty=is_dirty, is_cuda=is_cuda, at=at)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", found)
    assert found != build.tag(target, revision, is_dirty=is_dirty, is_cuda=is_cuda, at=at + 1)
    assert found != build.tag(target, revision, is_dirty=is_dirty, is_cuda=not is_cuda, at=at)
