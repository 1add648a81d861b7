"""The Dockerfile as BuildKit itself reads it (tier: its front end; no step is run, nothing is fetched)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from buildkit_frontend import read

from ml_jobs.image.build import DOCKERFILE, PLATFORMS, TORCH_INDEX

pytestmark = pytest.mark.timeout(900)  # the first one builds BuildKit's front end

REPOSITORY = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "a1" * 32
TARGETS = ("train", "serve")


def commands(answer: dict[str, Any]) -> str:
    return "\n".join(" ".join(words) for words in answer["commands"])


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("target", TARGETS)
def test_buildkit_takes_each_target_and_its_linter_finds_nothing(target: str, platform: str) -> None:
    found = read(REPOSITORY / DOCKERFILE, target, platform=platform)
    assert (found["error"], found["warnings"]) == ("", [])


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_starts_the_entry_point_in_its_role_as_nobody_special(target: str) -> None:
    image = read(REPOSITORY / DOCKERFILE, target, REVISION="c0ffee")["image"]
    assert (image["Entrypoint"], image["Cmd"]) == (["python", "-m", "ml_jobs.entry"], [target])
    assert (image["User"], image["WorkingDir"]) == ("1000:1000", "/home/skywright")
    env = dict(pair.split("=", 1) for pair in image["Env"])
    assert env["PATH"].startswith("/opt/skywright/bin:") and env["PYTHONPATH"] == "/jobs"
    assert image["Labels"]["org.opencontainers.image.revision"] == "c0ffee"
    assert set(image.get("ExposedPorts", {})) == ({"8080/tcp"} if target == "serve" else set())


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_built_of_its_own_packages_alone(target: str) -> None:
    found = read(REPOSITORY / DOCKERFILE, target)
    other = next(each for each in TARGETS if each != target)
    assert f"skywright[{target}]" in commands(found) and f"skywright[{other}]" not in commands(found)
    sources = {path.split("/")[0] for path in found["context"]}
    shown = {
        line[1:] for line in (REPOSITORY / f"{DOCKERFILE}.dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert sources == shown, "what is copied is what the build may see"


def test_nothing_is_fetched_but_the_base_by_its_bytes_where_a_digest_is_given() -> None:
    """A stage's name that is misspelt would be an image to fetch."""
    base, context = sorted(read(REPOSITORY / DOCKERFILE, "train")["sources"])
    assert base.startswith("docker-image://docker.io/library/python:3.11.") and "@" not in base
    pinned = read(REPOSITORY / DOCKERFILE, "train", PYTHON_DIGEST=DIGEST)["sources"]
    assert sorted(pinned) == [f"{base}@{DIGEST}", context] and context == "local://context"


@pytest.mark.parametrize("is_cuda", [False, True])
def test_the_index_of_torch_is_what_the_command_names(is_cuda: bool) -> None:
    variables = read(REPOSITORY / DOCKERFILE, "train", TORCH_INDEX=TORCH_INDEX[is_cuda])["variables"]
    assert f"TORCH_INDEX={TORCH_INDEX[is_cuda]}" in variables
    if not is_cuda:
        assert f"TORCH_INDEX={TORCH_INDEX[False]}" in read(REPOSITORY / DOCKERFILE, "train")["variables"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FROM scratch as a\nFROM a AS train\nCMD true\n", "FromAsCasing"),
        ("FROM python AS train\nENV KEY value\n", "LegacyKeyValueFormat"),
        ("FROM python AS train\nCOPY --from=bulid / /\n", "docker-image://docker.io/library/bulid:latest"),
        ("FROM python AS train\nRUNN true\n", "unknown instruction: RUNN"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, text: str, told: str) -> None:
    """Else the tests above prove nothing."""
    (tmp_path / "Dockerfile").write_text(text)
    found = read(tmp_path / "Dockerfile", "train")
    assert told in " ".join([found["error"], *found["warnings"], *(found["sources"] or ())])
