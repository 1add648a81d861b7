"""The two ways to get a Pulumi CLI: the official install, and a build from the published Go module.

Each fills a `bin` folder or raises Unavailable with the reason in one line; neither touches anything else of the cache.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from infra.engine import cache, pins

Progress = Callable[[str, float | None], None]
"""Called with what is going on and, where it is known, the share done (0-1)."""

PROBE_S = 8.0


class Unavailable(Exception):
    """This way can't be gone here; the message says why, the remedy what would mend it."""

    def __init__(self, why: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(why)


def official(target: Path, progress: Progress) -> None:
    """The official release with its language hosts, into `target`/bin."""
    progress("asking get.pulumi.com for the official release", None)
    try:
        urllib.request.urlopen(urllib.request.Request(pins.OFFICIAL_URL, method="HEAD"), timeout=PROBE_S).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unavailable(f"get.pulumi.com does not answer ({reason})", "Allow it in the network") from error
    _need_disk(target, pins.OFFICIAL_DISK_GIB)
    progress(f"downloading Pulumi {pins.ENGINE}", None)
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    try:
        PulumiCommand.install(root=str(target), version=VersionInfo.parse(pins.ENGINE))
    except Exception as error:  # the installer raises bare exceptions of several kinds
        output = getattr(error, "output", b"") or b""
        lines = output.decode(errors="replace").strip().splitlines() if isinstance(output, bytes) else []
        why = lines[-1] if lines else (str(error).splitlines() or [type(error).__name__])[0]
        raise Unavailable(f"the official install failed ({why})", "Try again, or install Pulumi by hand") from error


def go_build(target: Path, progress: Progress) -> None:
    """The CLI alone, compiled from the Go module, into `target`/bin. Minutes, where Go's caches are cold."""
    go = go_tool()
    _need_disk(target, pins.GO_BUILD_DISK_GIB)
    source = target / "source"
    source.mkdir()
    (source / "go.mod").write_text(pins.GO_MOD)
    link = f"-X {pins.GO_SDK_MODULE}/go/common/version.Version={pins.ENGINE}"
    binary = target / "bin" / "pulumi"
    command = [go, "build", "-v", "-mod=mod", "-ldflags", link, "-o", str(binary), pins.GO_COMMAND]
    progress(f"fetching the sources of Pulumi {pins.ENGINE}", None)
    # Its own process group: a build that is broken off takes its compilers with it.
    build = subprocess.Popen(
        command,
        cwd=source,
        env=_go_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said = _follow(build, progress)
    finally:
        if build.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(build.pid, signal.SIGKILL)
            build.wait()
    if build.returncode:
        raise _why_go_failed(said)
    shutil.rmtree(source)


def go_tool() -> str:
    """The path of a Go that is new enough."""
    remedy = f"Install Go {_dotted(pins.OLDEST_GO)} or newer (https://go.dev/dl)"
    if (go := shutil.which("go")) is None:
        raise Unavailable("there is no Go to build the engine with", remedy)
    try:
        said = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, env=_go_environment(), check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{go} does not run ({error})", remedy) from error
    match = re.search(r"go(\d+)\.(\d+)", said)
    if match is None or (int(match[1]), int(match[2])) < pins.OLDEST_GO:
        raise Unavailable(f"{go} is {said.strip() or 'of an unknown version'}, too old to build the engine", remedy)
    return go


def _go_environment() -> dict[str, str]:
    # GOTOOLCHAIN=local: never download another Go. GOWORK, GOFLAGS: a workspace around the cache folder is not ours.
    return os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}


def _follow(build: subprocess.Popen[str], progress: Progress) -> list[str]:
    """Turn the build's lines into progress; the last of them are given back, for the reason should it fail."""
    said: list[str] = []
    compiled = 0
    assert build.stderr is not None
    for line in build.stderr:
        said = [*said[-40:], line.strip()]
        if line.startswith("go: downloading"):
            progress(f"fetching {' '.join(line.split()[2:])}", None)
        elif re.fullmatch(r"[\w.~/-]+", line.strip()):
            compiled += 1
            progress(f"compiling {line.strip()}", min(compiled / pins.GO_PACKAGES, 0.99))
    build.wait()
    return said


def _why_go_failed(said: list[str]) -> Unavailable:
    text = "\n".join(said)
    if "no space left on device" in text:
        return Unavailable("the disk ran full during the build", f"Free {pins.GO_BUILD_DISK_GIB:g} GiB")
    network = (
        r"dial tcp|no such host|i/o timeout|connection refused|proxyconnect|TLS handshake|50\d |403 |lookup disabled"
    )
    errors = [line for line in said if line and not line.startswith("go: downloading")]
    last = errors[-1] if errors else "it gave no reason"
    if re.search(network, text):
        return Unavailable(f"the Go module proxy does not answer ({last})", "Check the network, or set GOPROXY")
    return Unavailable(f"the build failed ({last})", f"See what `go build {pins.GO_COMMAND}` says")


def _need_disk(target: Path, gib: float) -> None:
    if (free := cache.free_gib(target)) < gib:
        raise Unavailable(
            f"{free:.1f} GiB are free at {target.parent}, {gib:g} GiB are needed",
            f"Free space, or set {cache.CACHE_VARIABLE} to a folder on another disk",
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
