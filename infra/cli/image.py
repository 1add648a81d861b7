"""`skywright image`: the image that a stack's jobs and model servers run in."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import project_dir, stack_contract
from ml_jobs.contract import StackContract
from ml_jobs.identity import current_user
from ml_jobs.image import ImageRecord, docker, record
from ml_jobs.image.build import Build, tag
from ml_jobs.launch.lineage import git

app = typer.Typer(help="The stack's images: build, push, show.", no_args_is_help=True)


class TargetName(str, Enum):
    TRAIN = "train"
    SERVE = "serve"


TargetOption = Annotated[TargetName, typer.Option(help="train runs jobs, serve the model servers")]
CudaOption = Annotated[bool, typer.Option("--cuda", help="with CUDA, for accelerators")]
PlatformOption = Annotated[str, typer.Option(help="linux/amd64 or linux/arm64")]
BaseOption = Annotated[str | None, typer.Option(help="sha256:... of the Python base image in your registry")]
JobsOption = Annotated[Path | None, typer.Option(help="folder of your own jobs, put on the image's PYTHONPATH")]


@app.command()
def build(
    stack: StackOption = "local",
    target: TargetOption = TargetName.TRAIN,
    cuda: CudaOption = False,
    platform: PlatformOption = "linux/amd64",
    base_digest: BaseOption = None,
    jobs: JobsOption = None,
) -> None:
    """Build an image with this machine's docker."""
    contract = stack_contract(stack)
    what = _build(contract, target, cuda, platform, base_digest, jobs)
    docker.build(what, contract, show=render.say)
    render.say(f"built {what.image}", style="green")
    render.next_step(f"skywright image push -s {stack} --target {target.value}{' --cuda' if cuda else ''}")


@app.command()
def push(
    stack: StackOption = "local",
    target: TargetOption = TargetName.TRAIN,
    cuda: CudaOption = False,
    platform: PlatformOption = "linux/amd64",
    base_digest: BaseOption = None,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build an image, push it to the stack's registry, and record its digest: jobs run in it from then on."""
    contract = stack_contract(stack)
    what = _build(contract, target, cuda, platform, base_digest, jobs)
    digest = docker.build(what, contract, show=_quiet if as_json else render.say, push=True)
    repository, _, name = what.image.rpartition(":")
    about = git(project_dir()) or {}
    pushed = ImageRecord(
        target=target.value,
        image=f"{repository}@{digest}",
        tag=name,
        platform=platform,
        is_cuda=cuda,
        commit=about.get("commit"),
        is_dirty=bool(about.get("is_dirty")),
        by=current_user(),
        at=time.time(),
    )
    where = record.write(contract, pushed)
    if as_json:
        render.emit(pushed.model_dump(mode="json"))
        return
    render.say(f"pushed {pushed.image}, recorded in {where}", style="green")
    if target is TargetName.TRAIN:
        render.next_step(f"skywright train digits -s {stack}")
    else:
        render.next_step(f"skywright release MODEL VERSION -s {stack}")


@app.command()
def show(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """The images that the stack's jobs and servers run in."""
    contract = stack_contract(stack)
    found = [known for target in TargetName if (known := record.read(contract, target.value))]
    rows = [{**known.model_dump(mode="json"), "pushed": render.when(known.at)} for known in found]
    columns = (("target", "target"), ("tag", "tag"), ("by", "by"), ("pushed", "pushed"))
    render.table(f"Images in {record.images_url(contract)}", columns, rows, as_json=as_json)


def _build(
    contract: StackContract, target: TargetName, cuda: bool, platform: str, base_digest: str | None, jobs: Path | None
) -> Build:
    repository = record.repository(contract)
    about = git(project_dir()) or {}
    revision = str(about.get("commit") or "")
    name = tag(target.value, revision, is_dirty=bool(about.get("is_dirty")), is_cuda=cuda, at=time.time())
    return Build(
        target=target.value,
        image=f"{repository}:{name}",
        context=project_dir(),
        revision=revision or "unknown",
        platform=platform,
        is_cuda=cuda,
        base_digest=base_digest,
        jobs=jobs.resolve() if jobs else None,
    )


def _quiet(_line: str) -> None: ...
