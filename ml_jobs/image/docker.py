"""Docker's command line, run: its output handed on as it comes, its refusals in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import StackContract
from ml_jobs.image import build as commands
from ml_jobs.image.build import Build

Show = Callable[[str], None]
KEPT_LINES = 200
"""Of the output, to tell from why docker failed."""


def find() -> bool:
    """Whether docker has buildx. Raises SkywrightError when there is no docker, or no daemon behind it."""
    if shutil.which("docker") is None:
        raise SkywrightError("docker is not on PATH", "Install it: https://docs.docker.com/engine/install/.")
    daemon = _ask("docker", "version", "--format", "{{.Server.Version}}")
    if daemon.returncode != 0:
        said = (daemon.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SkywrightError(f"no Docker daemon answers: {said}", "Start Docker, or name a daemon in DOCKER_HOST.")
    return _ask("docker", "buildx", "version").returncode == 0


def build(what: Build, stack: StackContract, show: Show, *, push: bool = False) -> str | None:
    """Build the image and, when asked, push it; the digest of what was pushed. Raises SkywrightError."""
    what.check()
    repository = what.image.rpartition(":")[0]
    if not find():
        if what.jobs is not None:
            raise UserError(
                "--jobs needs docker's buildx, which is not here",
                "Install it: https://docs.docker.com/build/install-buildx/.",
            )
        _run(commands.build_command(what), stack, what.image, show)
        if not push:
            return None
        _run(commands.push_command(what.image), stack, what.image, show)
        return commands.inspected_digest(_ask(*commands.digest_command(what.image)).stdout, repository)
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder) / "metadata.json"
        _run(commands.build_command(what, push=push, metadata=metadata), stack, what.image, show)
        if not push:
            return None
        try:
            return commands.pushed_digest(json.loads(metadata.read_text()))
        except (OSError, ValueError, AttributeError):
            return commands.pushed_digest({})


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _run(words: Sequence[str], stack: StackContract, image: str, show: Show) -> None:
    last: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line)
            show(line.rstrip("\n"))
    if process.returncode != 0:
        raise commands.explain("".join(last), stack, image)
