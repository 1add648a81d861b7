"""Building a program from its published Go module: where the network gives nothing but package registries.

Nothing outside the given folders is touched, save Go's own caches, which are the user's and stay.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.engine import cache

Progress = Callable[[str, float | None], None]
"""Called with what is going on and, where it is known, the share done (0-1)."""


class Unavailable(Exception):
    """This way can't be gone here; the message says why, the remedy what would mend it."""

    def __init__(self, why: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Program:
    """What is built: `package`, within a module of our own whose `go_mod` requires its module."""

    name: str
    package: str
    go_mod: str
    oldest_go: tuple[int, int]
    disk_gib: float
    ldflags: str = ""
    packages: int = 1_000
    """That a build from nothing compiles, about: only for the progress that it shows."""


def build(program: Program, binary: Path, source: Path, progress: Progress) -> None:
    """Compile `program` to `binary`, in the new folder `source`, gone afterwards. Minutes, where Go is cold."""
    go = tool(program.oldest_go, program.name)
    need_disk(binary.parent, program.disk_gib)
    source.mkdir(parents=True)
    (source / "go.mod").write_text(program.go_mod)
    command = [go, "build", "-v", "-mod=mod", "-ldflags", program.ldflags, "-o", str(binary), program.package]
    progress(f"fetching the sources of {program.name}", None)
    # Its own process group: a build that is broken off takes its compilers with it.
    process = subprocess.Popen(
        command,
        cwd=source,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said = _follow(process, progress, program.packages)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise _why(said, f"go build {program.package}", program.disk_gib)
    shutil.rmtree(source)


def fetched(module: str, oldest_go: tuple[int, int], progress: Progress) -> dict[str, str]:
    """What `go mod download` says of `module` ("path@version"): the paths of its GoMod and its Zip at least."""
    go = tool(oldest_go, module)
    progress(f"fetching {module}", None)
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(),
        cwd="/",  # a go.mod around the working folder is not ours
    )
    try:
        told = dict(json.loads(done.stdout))
    except ValueError:
        told = {}
    # A module that asks for a newer Go is refused after its files came: who reads them needs no Go for that.
    if not all(told.get(part) and Path(told[part]).exists() for part in ("GoMod", "Zip")):
        raise _why([*done.stderr.splitlines(), str(told.get("Error", ""))], f"go mod download {module}", 1)
    return told


def tool(oldest: tuple[int, int], what: str) -> str:
    """The path of a Go that is new enough."""
    remedy = f"Install Go {'.'.join(map(str, oldest))} or newer (https://go.dev/dl)"
    if (go := shutil.which("go")) is None:
        raise Unavailable(f"there is no Go to build {what} with", remedy)
    try:
        said = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, env=environment(), check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{go} does not run ({error})", remedy) from error
    match = re.search(r"go(\d+)\.(\d+)", said)
    if match is None or (int(match[1]), int(match[2])) < oldest:
        raise Unavailable(f"{go} is {said.strip() or 'of an unknown version'}, too old to build {what}", remedy)
    return go


def need_disk(target: Path, gib: float) -> None:
    if (free := cache.free_gib(target)) < gib:
        raise Unavailable(
            f"{free:.1f} GiB are free at {target.parent}, {gib:g} GiB are needed",
            f"Free space, or set {cache.CACHE_VARIABLE} to a folder on another disk",
        )


def environment() -> dict[str, str]:
    # GOTOOLCHAIN=local: never download another Go. GOWORK, GOFLAGS: a workspace around the cache folder is not ours.
    return os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}


def _follow(process: subprocess.Popen[str], progress: Progress, packages: int) -> list[str]:
    """Turn the build's lines into progress; the last of them are given back, for the reason should it fail."""
    said: list[str] = []
    compiled = 0
    assert process.stderr is not None
    for line in process.stderr:
        said = [*said[-40:], line.strip()]
        if line.startswith("go: downloading"):
            progress(f"fetching {' '.join(line.split()[2:])}", None)
        elif re.fullmatch(r"[\w.~/-]+", line.strip()):
            compiled += 1
            progress(f"compiling {line.strip()}", min(compiled / packages, 0.99))
    process.wait()
    return said


def _why(said: list[str], command: str, disk_gib: float) -> Unavailable:
    text = "\n".join(said)
    if "no space left on device" in text:
        return Unavailable("the disk ran full during the build", f"Free {disk_gib:g} GiB")
    network = (
        r"dial tcp|no such host|i/o timeout|connection refused|proxyconnect|TLS handshake|50\d |403 |lookup disabled"
    )
    errors = [line for line in said if line and not line.startswith("go: downloading")]
    last = errors[-1] if errors else "it gave no reason"
    if re.search(network, text):
        return Unavailable(f"the Go module proxy does not answer ({last})", "Check the network, or set GOPROXY")
    return Unavailable(f"the build failed ({last})", f"See what `{command}` says")
