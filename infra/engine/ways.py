"""The two ways to get a Pulumi CLI: the official install, and a build from the published Go module.

Each fills a `bin` folder or raises Unavailable with the reason in one line; neither touches anything else of the cache.
"""

from __future__ import annotations

import urllib.request
from pathlib import Path

from infra.engine import golang, pins
from infra.engine.golang import Progress, Unavailable

PROBE_S = 8.0


def official(target: Path, progress: Progress) -> None:
    """The official release with its language hosts, into `target`/bin."""
    progress("asking get.pulumi.com for the official release", None)
    try:
        urllib.request.urlopen(urllib.request.Request(pins.OFFICIAL_URL, method="HEAD"), timeout=PROBE_S).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unavailable(f"get.pulumi.com does not answer ({reason})", "Allow it in the network") from error
    golang.need_disk(target, pins.OFFICIAL_DISK_GIB)
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
    program = golang.Program(
        name="the engine",
        package=pins.GO_COMMAND,
        go_mod=pins.GO_MOD,
        oldest_go=pins.OLDEST_GO,
        disk_gib=pins.GO_BUILD_DISK_GIB,
        ldflags=f"-X {pins.GO_SDK_MODULE}/go/common/version.Version={pins.ENGINE}",
        packages=pins.GO_PACKAGES,
    )
    golang.build(program, target / "bin" / "pulumi", target / "source", progress)
