"""`skywright image`: the image that a stack's jobs and model servers run in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command was given. `about`: the commit of the checkout and whether it was changed; empty without one."""

    stack: str
    contract: StackContract
    what: Build
    about: dict[str, Any]
    as_json: bool

    @property
    def show(self) -> docker.Show:
        return _quiet if self.as_json else render.say


def _command(act: Callable[[Asked], None]) -> Callable[..., None]:
    """A command with the options that say what is built."""

    def command(
        stack: StackOption = "local",
        target: TargetOption = TargetName.TRAIN,
        cuda: CudaOption = False,
        platform: PlatformOption = "linux/amd64",
        base_digest: BaseOption = None,
        jobs: JobsOption = None,
        as_json: JsonOption = False,
    ) -> None:
        contract, about = stack_contract(stack), git(project_dir()) or {}
        revision = str(about.get("commit") or "")
        name = tag(target.value, revision, is_dirty=bool(about.get("is_dirty")), is_cuda=cuda, at=time.time())
        what = Build(
            target=target.value,
            image=f"{record.repository(contract)}:{name}",
            context=project_dir(),
            revision=revision or "unknown",
            platform=platform,
            is_cuda=cuda,
            base_digest=base_digest,
            jobs=jobs.resolve() if jobs else None,
        )
        act(Asked(stack, contract, what, about, as_json))

    command.__doc__ = act.__doc__
    app.command(act.__name__)(command)
    return command


@_command
def build(asked: Asked) -> None:
    """Build an image with this machine's docker."""
    what = asked.what
    docker.build(what, asked.contract, show=asked.show)
    if asked.as_json:
        render.emit({"target": what.target, "image": what.image, "platform": what.platform, "is_cuda": what.is_cuda})
        return
    render.say(f"built {what.image}", style="green")
    render.next_step(f"skywright image push -s {asked.stack} --target {what.target}{' --cuda' if what.is_cuda else ''}")


@_command
def push(asked: Asked) -> None:
    """Build an image, push it to the stack's registry, and record its digest: jobs run in it from then on."""
    what = asked.what
    digest = docker.build(what, asked.contract, show=asked.show, push=True)
    repository, _, name = what.image.rpartition(":")
    pushed = ImageRecord(
        target=what.target,
        image=f"{repository}@{digest}",
        tag=name,
        platform=what.platform,
        is_cuda=what.is_cuda,
        commit=asked.about.get("commit"),
        is_dirty=bool(asked.about.get("is_dirty")),
        by=current_user(),
        at=time.time(),
    )
    where = record.write(asked.contract, pushed)
    if asked.as_json:
        render.emit(pushed.model_dump(mode="json"))
        return
    render.say(f"pushed {pushed.image}, recorded in {where}", style="green")
    if what.target == "train":
        render.next_step(f"skywright train digits -s {asked.stack}")
    else:
        render.next_step(f"Name it in a release of skywright:endpoint.releases: image_digest: {digest}")


@app.command()
def show(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """The images that the stack's jobs and servers run in."""
    contract = stack_contract(stack)
    found = [known for target in TargetName if (known := record.read(contract, target.value))]
    rows = [{**known.model_dump(mode="json"), "pushed": render.when(known.at)} for known in found]
    columns = (("target", "target"), ("tag", "tag"), ("by", "by"), ("pushed", "pushed"))
    render.table(f"Images in {record.images_url(contract)}", columns, rows, as_json=as_json)


def _quiet(_line: str) -> None: ...
