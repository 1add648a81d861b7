"""BuildKit's own front end, which turns a Dockerfile into steps: built once from its published module."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from infra.engine import cache, golang

VERSION = "v0.26.0"
OLDEST_GO = (1, 25)
SOURCE = Path(__file__).parent / "buildkit" / "main.go"
GO_MOD = f"module dockerfile\n\ngo 1.25.0\n\nrequire github.com/moby/buildkit {VERSION}\n"


def program() -> Path:
    """The program of SOURCE; built when it is not there (a minute or more), by one process at a time."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]
    found = cache.folder("test-servers") / f"buildkit-{VERSION}-{digest}" / "dockerfile"
    found.parent.parent.mkdir(parents=True, exist_ok=True)
    with open(found.parent.parent / "buildkit.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            aside = found.parent.with_name(f".{found.parent.name}-{os.getpid()}")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            shutil.copy(SOURCE, aside)
            (aside / "go.mod").write_text(GO_MOD)
            command = [
                golang.tool(OLDEST_GO, "buildkit"),
                "build",
                "-mod=mod",
                "-ldflags",
                "-s -w",
                "-o",
                "dockerfile",
                ".",
            ]
            done = subprocess.run(
                command, cwd=aside, env=golang.environment(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
            aside.rename(found.parent)
    return found


def read(dockerfile: Path, target: str, *, platform: str = "linux/amd64", **arguments: str) -> dict[str, Any]:
    """What BuildKit makes of it: {error, warnings, image, commands, sources, context}, as in SOURCE."""
    given = [f"{name}={value}" for name, value in arguments.items()]
    done = subprocess.run(
        [program(), dockerfile, platform, target, *given], capture_output=True, text=True, check=True, timeout=60
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
