"""The user's cache folder: where managed engines lie, and how a thing gets there whole or not at all.

engine/cli-3.259.0/         complete.json, bin/pulumi (and, of an official install, everything beside it)
engine/host-3.259.0-<hash>/ complete.json, bin/{pulumi, pulumi-language-python, pulumi-resource-pulumi-python, *.py}
engine/home/                PULUMI_HOME of users who have none of their own
kubernetes/<program>-<version>/  complete.json, bin/<program>: what a rehearsed cluster is made of
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from catalog.errors import SkywrightError

CACHE_VARIABLE = "SKYWRIGHT_CACHE_DIR"
MARKER = "complete.json"


def folder(of: str = "engine") -> Path:
    """Where engines (or what else `of` names) lie: SKYWRIGHT_CACHE_DIR, else the platform's cache folder."""
    given = os.environ.get(CACHE_VARIABLE)
    return (Path(given).expanduser().absolute() if given else Path(platformdirs.user_cache_dir("skywright"))) / of


def marker(copy: Path) -> dict[str, Any] | None:
    """What a whole copy says of itself; None when it is missing, half made, or its binary is not the one verified."""
    try:
        facts = json.loads((copy / MARKER).read_text())
        binary = (copy / "bin" / facts.get("binary", "pulumi")).stat()
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    is_whole = facts.get("binary_bytes") == binary.st_size and binary.st_mode & 0o100
    return facts if is_whole else None


@contextmanager
def made_aside(target: Path) -> Iterator[Path]:
    """A folder to fill; it becomes `target` in one step when the block ends well, and vanishes when it does not.

    A whole copy that someone else put there meanwhile stays: it may be running. Anything else there makes way.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    aside.chmod(0o755)
    try:
        yield aside
        if target.exists() and marker(target) is None:
            spoilt = Path(tempfile.mkdtemp(prefix=".spoilt-", dir=target.parent))
            target.rename(spoilt / target.name)
            shutil.rmtree(spoilt, ignore_errors=True)
        try:
            aside.rename(target)
        except OSError:
            if marker(target) is None:
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def complete(copy: Path, binary: str = "pulumi", **facts: Any) -> None:
    """Write the marker of a copy that has been verified."""
    facts |= {"binary": binary, "binary_bytes": (copy / "bin" / binary).stat().st_size}
    (copy / MARKER).write_text(json.dumps(facts, indent=2) + "\n")


@contextmanager
def writable(of: str = "engine") -> Iterator[Path]:
    """The cache folder, made if need be. What the disk refuses inside the block becomes one line with the remedy."""
    try:
        folder(of).mkdir(parents=True, exist_ok=True)
        yield folder(of)
    except OSError as error:
        raise SkywrightError(
            f"the cache folder {folder(of)} can't be written ({error.strerror or error})",
            f"Free space there or make it writable, or set {CACHE_VARIABLE} to another folder.",
        ) from error


def free_gib(path: Path) -> float:
    """Free space of the file system that `path` will lie on."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free / 2**30
