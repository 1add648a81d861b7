"""The stand-ins as executables, in a folder that is on PATH of a rehearsal's engine and nowhere else."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil  # type: ignore[import-untyped]

import infra
from infra.engine.launchers import BESIDE
from infra.rehearsal.core.account import Account

ACCOUNT = "SKYWRIGHT_REHEARSAL_ACCOUNT"
IS_STRICT = "SKYWRIGHT_REHEARSAL_STRICT"

STAND_INS = {"aws": "aws", "gcp": "gcp", "azure-native": "azure", "kubernetes": "kubernetes"}
"""Folder below infra/rehearsal by the provider's name. Its module `stand_in` has `make(account, *, is_strict)`, which
gives the `Provider`, and `version()`, the SDK's."""

HOME = str(Path(infra.__path__[0]).parent)
"""Where this package lies: interpreters that we start find it, wherever they are started."""

ENDED_WITH = "processes"
"""Folder of the account: a file per process, named by its id, that is to end with the rehearsal; it holds the time when
the process was created, so that no other one by that id is meant."""


def put(bin_dir: Path, *, clouds: Iterable[str] = STAND_INS, python: Path | None = None) -> None:
    """Write `pulumi-resource-<cloud>` for each; the engine takes what is on PATH for any version."""
    interpreter = shlex.quote(str(python or sys.executable))
    home = shlex.quote(HOME)
    attach = shlex.quote(str(BESIDE / "attach.py"))
    bin_dir.mkdir(parents=True, exist_ok=True)
    for cloud in clouds:
        line = f'PYTHONPATH={home} exec {interpreter} -S {attach} -m infra.rehearsal.core.serve {cloud} "$@"'
        launcher = bin_dir / f"pulumi-resource-{cloud}"
        launcher.write_text(f"#!/bin/sh\n{line}\n")
        launcher.chmod(0o755)


def variables(account: Account, *, is_strict: bool = True) -> dict[str, str]:
    """What the stand-ins need to know, for the engine's environment."""
    return {ACCOUNT: str(account.folder.absolute()), IS_STRICT: "1" if is_strict else "0"}


def note(account: Account, pid: int) -> None:
    """Let a process end with the rehearsal."""
    folder = account.folder / ENDED_WITH
    folder.mkdir(exist_ok=True)
    (folder / str(pid)).write_text(str(psutil.Process(pid).create_time()))


def end(account: Account) -> None:
    """End whatever stand-ins left running for the account (API servers)."""
    folder = account.folder / ENDED_WITH
    for file in folder.iterdir() if folder.exists() else ():
        try:
            process = psutil.Process(int(file.name))
            if str(process.create_time()) == file.read_text():
                process.terminate()
        except psutil.NoSuchProcess:
            pass
        file.unlink(missing_ok=True)
