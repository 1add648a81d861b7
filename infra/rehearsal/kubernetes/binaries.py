"""The programs of a cluster: the user's own, a managed copy, the official archive, or a build; found or installed."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator, Sequence
from functools import cache as remembered
from pathlib import Path

from catalog.errors import SkywrightError
from infra.engine import cache, golang, making
from infra.engine.golang import Progress, Unavailable
from infra.rehearsal.kubernetes import pins
from infra.rehearsal.kubernetes.pins import Binary

FOLDER = "kubernetes"
ASSETS = "KUBEBUILDER_ASSETS"
"""Where controller tests everywhere look for these binaries first."""

_PROBE_S = 8.0
_OLDEST = {"etcd": pins.OLDEST_ETCD, "kube-apiserver": pins.OLDEST_KUBERNETES}


def find(binary: Binary) -> Path:
    """Where `binary` is. Raises SkywrightError with the command that installs it."""
    if path := own(binary) or managed(binary):
        return path
    every = " --cluster" if binary in pins.CLUSTER else ""
    raise SkywrightError(
        f"there is no {binary.name} on this machine", f"Install it: skywright engine install --kubernetes{every}"
    )


def own(binary: Binary) -> Path | None:
    """The user's: in KUBEBUILDER_ASSETS, or on PATH, and new enough. Only of those that judge declarations: the others
    must be of the versions that the tests know."""
    if (oldest := _OLDEST.get(binary.name)) is None:
        return None
    if folder := os.environ.get(ASSETS):
        path = Path(folder) / binary.name
        if not os.access(path, os.X_OK):
            raise SkywrightError(f"{ASSETS} is {folder!r}, where there is no {binary.name}", "Mend it or unset it.")
        return path
    found = shutil.which(binary.name)
    version = says(binary, Path(found)) if found else None
    return Path(found) if found and version and _numbers(version) >= oldest else None


def managed(binary: Binary) -> Path | None:
    copy = copy_of(binary)
    return copy / "bin" / binary.name if cache.marker(copy) is not None else None


def copy_of(binary: Binary) -> Path:
    return cache.folder(FOLDER) / f"{binary.name}-{binary.version}"


def install(binaries: Sequence[Binary], progress: Progress) -> list[Path]:
    """Each of `binaries`, made where it is missing, one at a time. Raises SkywrightError with every way's reason."""
    if any(own(binary) is None and managed(binary) is None for binary in binaries):
        with making.alone(FOLDER, progress):
            for binary in binaries:
                if own(binary) is None and managed(binary) is None:
                    _make(binary, progress)
    return [find(binary) for binary in binaries]


def _make(binary: Binary, progress: Progress) -> None:
    ways: dict[str, making.Way] = {"go": lambda target, on: go_build(binary, target, on)}
    if binary.is_in_envtest:
        ways = {"envtest": lambda target, on: envtest(binary, target, on)} | ways
    making.make(
        copy_of(binary),
        ways,
        what=binary.name,
        binary=binary.name,
        version=binary.version,
        says=lambda path: says(binary, path),
        progress=progress,
    )


def says(binary: Binary, path: Path) -> str | None:
    """The version that it gives; None when it does not run. One that has no answer is taken at its word: it runs."""
    return _asked(path, binary.says, binary.version)


@remembered
def _asked(path: Path, pattern: str | None, otherwise: str) -> str | None:
    try:
        told = subprocess.run(
            [str(path), "--version" if pattern else "--help"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if pattern is None:
        return otherwise if told.returncode in (0, 1, 2) else None  # not ended by a signal or the shell
    match = re.search(pattern, told.stdout + told.stderr)
    return match[1] if match else None


def envtest(binary: Binary, target: Path, progress: Progress) -> None:
    """From the archive that the Kubernetes project publishes for controller tests, held by its published digest."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine().lower())
    url = pins.ENVTEST_URL.format(version=pins.KUBERNETES, system=platform.system().lower(), machine=machine)
    progress("asking for the official archive of Kubernetes binaries", None)
    try:
        with urllib.request.urlopen(f"{url}.sha512", timeout=_PROBE_S) as answer:
            digest = answer.read(4096).decode(errors="replace").split()[0]
        progress(f"downloading {url.rpartition('/')[2]}", None)
        archive = target / "archive.tar.gz"
        with urllib.request.urlopen(url, timeout=60) as answer, archive.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except (OSError, ValueError, IndexError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unavailable(
            f"the official archive is not to be had ({reason})", "Allow github.com in the network"
        ) from None
    if hashlib.sha512(archive.read_bytes()).hexdigest() != digest:
        raise Unavailable("the official archive does not have its published digest", "Try again")
    (target / "bin").mkdir()
    with tarfile.open(archive) as opened:
        member = next((each for each in opened if each.isfile() and Path(each.name).name == binary.name), None)
        if member is None or (content := opened.extractfile(member)) is None:
            raise Unavailable(f"the official archive holds no {binary.name}", "Try again")
        with content, (target / "bin" / binary.name).open("wb") as file:
            shutil.copyfileobj(content, file)
    (target / "bin" / binary.name).chmod(0o755)
    archive.unlink()


def go_build(binary: Binary, target: Path, progress: Progress) -> None:
    """Compiled from the published Go module."""
    program = golang.Program(
        name=binary.name,
        package=binary.package,
        go_mod="\n".join(_go_mod(binary, progress)),
        oldest_go=binary.go,
        disk_gib=binary.disk_gib,
        ldflags=binary.ldflags,
        packages=binary.packages,
    )
    golang.build(program, target / "bin" / binary.name, target / "source", progress)


def _go_mod(binary: Binary, progress: Progress) -> Iterator[str]:
    yield "module cluster"
    yield f"go {binary.go[0]}.{binary.go[1]}.0"
    yield f"require {binary.module} v{binary.version}"
    if not binary.needs_staging:
        return
    # A module's own `replace` lines do not reach who requires it: there, its parts have versions of their own.
    told = golang.fetched(f"{binary.module}@v{binary.version}", binary.go, progress)
    staging = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", Path(told["GoMod"]).read_text(), re.MULTILINE)
    for part in staging:
        yield f"replace {part} => {part} v0.{binary.version.split('.', 1)[1]}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
