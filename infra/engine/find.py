"""Which Pulumi engine this machine has: the user's own on PATH, else the managed copy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache as remembered
from pathlib import Path
from typing import Literal

from catalog.errors import SkywrightError
from infra.engine import cache, launchers, pins


@dataclass(frozen=True, slots=True)
class Found:
    """An engine that works: the CLI with a language host for Python."""

    cli: Path
    version: str
    source: Literal["path", "managed"]
    host: Literal["official", "skywright"]

    @property
    def bin_dir(self) -> Path:
        """The folder that PATH must begin with."""
        return self.cli.parent


def find() -> Found:
    """The engine to use; starts no process for a managed copy.

    Raises SkywrightError with the command that installs one.
    """
    if found := on_path() or managed():
        return found
    raise SkywrightError("there is no Pulumi engine on this machine", "Install one: skywright engine install")


def on_path() -> Found | None:
    """The user's own: new enough, with its language host on PATH. Our managed copies, which
    `eval "$(skywright engine where --shell)"` puts on PATH, don't count: a newer host may have replaced them."""
    path = os.pathsep.join(entry for entry in os.get_exec_path() if not _is_ours(Path(entry)))
    cli, host = shutil.which("pulumi", path=path), shutil.which("pulumi-language-python", path=path)
    if cli is None or host is None or (version := version_of(Path(cli))) is None:
        return None
    return Found(Path(cli), version, "path", "official") if _numbers(version) >= pins.OLDEST_ENGINE else None


def managed() -> Found | None:
    """The managed copy, if it is whole; its host is put beside it anew when ours has changed since."""
    if (facts := cache.marker(cli := cli_copy())) is None:
        return None
    if facts.get("way") == "official":
        return Found(cli / "bin" / "pulumi", pins.ENGINE, "managed", "official")
    if cache.marker(host := host_copy()) is None:
        with cache.writable(), cache.made_aside(host) as aside:
            launchers.put(aside / "bin", cli / "bin" / "pulumi")
            cache.complete(aside, version=pins.ENGINE)
    return Found(host / "bin" / "pulumi", pins.ENGINE, "managed", "skywright")


def cli_copy() -> Path:
    return cache.folder() / f"cli-{pins.ENGINE}"


def host_copy() -> Path:
    return cache.folder() / f"host-{pins.ENGINE}-{launchers.fingerprint()}"


@remembered
def version_of(cli: Path) -> str | None:
    """What `pulumi version` says, without the v; None when it does not run or says something else."""
    try:
        said = subprocess.run(
            [str(cli), "version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"v?(\d+\.\d+\.\d+\S*)\s*$", said)
    return match[1] if match else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _is_ours(entry: Path) -> bool:
    return cache.folder().resolve() in entry.resolve().parents
