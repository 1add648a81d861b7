"""What docker is asked to do, as pure functions; and what its answers mean."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError, UserError, mistake
from ml_jobs.contract import StackContract
from ml_jobs.image.record import Target

DOCKERFILE = "ml_jobs/image/Dockerfile"
SOURCES = (DOCKERFILE, "pyproject.toml", "constraints.txt", "catalog", "ml_jobs")

TORCH_INDEX = {False: "https://download.pytorch.org/whl/cpu", True: ""}
"""Whether with CUDA -> the index of PyTorch's wheels; the common one's are with CUDA
(https://pytorch.org/get-started/locally/)."""

PLATFORMS = ("linux/amd64", "linux/arm64")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Build:
    """One image to build. `image`: repository:tag; `revision`: the commit; `jobs`: a folder of the user's modules."""

    target: Target
    image: str
    context: Path
    revision: str
    platform: str = "linux/amd64"
    is_cuda: bool = False
    base_digest: str | None = None
    jobs: Path | None = None

    def check(self) -> None:
        """Raises UserError for what docker would refuse later, or take for something else."""
        if self.platform not in PLATFORMS:
            raise mistake("--platform", self.platform, ", ".join(PLATFORMS))
        if self.base_digest is not None and not DIGEST.fullmatch(self.base_digest):
            raise mistake("--base-digest", self.base_digest, "sha256: and 64 hexadecimal digits")
        if self.jobs is not None and not self.jobs.is_dir():
            raise UserError(f"--jobs is {self.jobs}, which is no folder", "Name the folder that your modules lie in.")
        if missing := [name for name in SOURCES if not (self.context / name).exists()]:
            raise UserError(
                f"{self.context} has no {missing[0]}: images are built from a checkout", "Run this in a clone."
            )


def tag(target: Target, revision: str, *, is_dirty: bool, is_cuda: bool, at: float) -> str:
    """A tag that no other push has, since registries forbid to move one: target, commit, time in UTC."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(at))
    parts = [target, "cuda" if is_cuda else "", revision[:12] or "unversioned", "dirty" if is_dirty else "", stamp]
    return "-".join(part for part in parts if part)


def build_command(build: Build, *, push: bool = False, metadata: Path | None = None) -> list[str]:
    """The build by buildx, which writes `metadata`; without that, by docker alone, which can't push as it builds.

    No provenance: its attestations make an index of the image, which SageMaker does not take
    (https://docs.docker.com/build/metadata/attestations/attestation-storage/).
    """
    arguments = {"TORCH_INDEX": TORCH_INDEX[build.is_cuda], "REVISION": build.revision}
    if build.base_digest:
        arguments["PYTHON_DIGEST"] = build.base_digest
    words = ["docker", *(["buildx"] if metadata else []), "build"]
    words += ["--file", str(build.context / DOCKERFILE), "--target", build.target, "--tag", build.image]
    words += ["--platform", build.platform]
    for name, value in sorted(arguments.items()):
        words += ["--build-arg", f"{name}={value}"]
    if build.jobs is not None:
        words += ["--build-context", f"jobs={build.jobs}"]
    if metadata:
        words += ["--provenance=false", "--progress=plain", "--metadata-file", str(metadata)]
        words.append("--push" if push else "--load")
    return [*words, str(build.context)]


def push_command(image: str) -> list[str]:
    return ["docker", "push", image]


def digest_command(image: str) -> list[str]:
    return ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image]


def pushed_digest(metadata: Mapping[str, Any]) -> str:
    """The digest in buildx's metadata file. Raises SkywrightError when it holds none."""
    found = str(metadata.get("containerimage.digest", ""))
    if not DIGEST.fullmatch(found):
        raise SkywrightError(
            f"buildx told no digest of what it pushed, but {found!r}", "Push again; nothing is recorded."
        )
    return found


def inspected_digest(answer: str, repository: str) -> str:
    """The digest that `docker image inspect` tells for `repository`. Raises SkywrightError when it tells none."""
    try:
        known = json.loads(answer) or []
    except ValueError:
        known = []
    for entry in known:
        name, _, digest = str(entry).partition("@")
        if name == repository and DIGEST.fullmatch(digest):
            return digest
    raise SkywrightError(f"docker told no digest of what it pushed to {repository}", "Push again; nothing is recorded.")


REFUSALS: tuple[tuple[str, str, str], ...] = (
    (
        r"unauthorized|authentication required|no basic auth credentials|denied: (?!requested)|403 forbidden"
        r"|requested access to the resource is denied|authorization token has expired",
        "the registry refuses this machine's docker",
        "login",
    ),
    (r"no space left on device", "docker's disk is full", "Free it: docker system prune."),
    (r"immutable", "the registry has this tag already and moves none", "Push again: each push has its own tag."),
    (
        r"cannot connect to the docker daemon|error during connect|is the docker daemon running",
        "no Docker daemon answers",
        "Start Docker, or name a daemon in DOCKER_HOST.",
    ),
    (
        r"no such host|i/o timeout|connection refused|network is unreachable|tls handshake timeout",
        "a registry can't be reached",
        "Look at this machine's network and proxy, then try again.",
    ),
)
"""What docker says (a pattern, case ignored) -> in our words, and what to do."""


def explain(output: str, stack: StackContract, image: str) -> SkywrightError:
    """Why docker failed, from the end of what it printed."""
    for pattern, what, remedy in REFUSALS:
        if found := re.search(rf"[^\n]*(?:{pattern})[^\n]*", output, re.IGNORECASE):
            said = " ".join(found[0].split())[:300]
            return SkywrightError(f"{what}: {said}", login(stack, image) if remedy == "login" else remedy)
    lines = [line for line in output.splitlines() if line.strip()]
    return SkywrightError(
        f"docker failed: {lines[-1].strip()[:300] if lines else 'it said nothing'}", "Its output is above."
    )


def login(stack: StackContract, image: str) -> str:
    """How docker is logged in to the stack's registry."""
    host = image.partition("/")[0]
    password = f"aws ecr get-login-password --region {stack.region}"
    by_cloud = {
        "aws": f"{password} | docker login --username AWS --password-stdin {host}",
        "gcp": f"gcloud auth configure-docker {host}",
        "azure": f"az acr login --name {host.partition('.')[0]}",
    }
    return f"Log docker in: {by_cloud.get(stack.cloud, f'docker login {host}')}"
