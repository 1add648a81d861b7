"""From which code a run came: the commit, whether the tree was changed, the packages."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("skywright", "torch", "numpy", "scikit-learn", "safetensors", "pydantic", "fsspec")
"""What can change a run's result."""


def lineage(folder: Path | None = None) -> dict[str, Any]:
    """{git: {commit, is_dirty} or None, python, packages: {name: version}} of this moment, in `folder`."""
    return {"git": git(folder or Path.cwd()), "python": platform.python_version(), "packages": packages()}


def git(folder: Path) -> dict[str, Any] | None:
    """The commit that is checked out; None where there is no repository, no commit or no git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return {"commit": commit, "is_dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(folder: Path, *words: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
