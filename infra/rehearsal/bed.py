"""Where a rehearsal takes place: a project folder of its own, one stack, its own state, stand-ins instead of clouds.

Nothing of it is the user's: the stack's file is a copy, the state lies in the folder, credentials are taken out of the
environment, and the stand-ins are on PATH of the engine that this module starts, nowhere else.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from infra.engine import environment
from infra.engine.run import Engine
from infra.rehearsal.azure import ml_server
from infra.rehearsal.core import launch, loopback, nursery
from infra.rehearsal.core.account import Account
from infra.rehearsal.gcp import vertex_server
from infra.settings import Settings, from_file
from infra.settings.model import SECRET_KEYS
from infra.settings.read import raw_config
from infra.stackfile import StackFile
from ml_jobs.contract import StackContract

LINKED = (".venv", "infra", "components", "ml_jobs", "catalog", "policies")
CREDENTIALS = (
    "AWS_", "GOOGLE_", "CLOUDSDK_", "GCLOUD_", "ARM_", "AZURE_", "KUBECONFIG", "KUBERNETES_", "PULUMI_", "SKYWRIGHT_",
)  # fmt: skip
"""Beginnings of the variables that lead to somebody's real clouds, clusters and state."""
KEPT = ("SKYWRIGHT_CACHE_DIR", "PULUMI_HOME")


class Bed:
    """One stack to rehearse, in `folder`. `is_strict=False`: the stand-ins check nothing (to time them)."""

    def __init__(self, folder: Path, project_dir: Path, file: Path, *, is_strict: bool = True) -> None:
        self.project = folder / "project"
        (self.project / "stacks").mkdir(parents=True)
        for name in LINKED:
            if (project_dir / name).exists():
                (self.project / name).symlink_to(project_dir / name)
        if not (project_dir / ".venv").exists():  # installed elsewhere: the interpreter that runs us
            (self.project / ".venv").symlink_to(sys.prefix)
        shutil.copy(project_dir / "Pulumi.yaml", self.project / "Pulumi.yaml")
        self.file = self.project / "stacks" / file.name
        self.stack = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        self._secrets = self._copy_without_secrets(file)
        self.account = Account(folder / "account")
        bin_dir = folder / "bin"
        bin_dir.mkdir()
        launch.put(bin_dir)
        self.environ = _without_credentials(os.environ) | launch.variables(self.account, is_strict=is_strict)
        self.environ["PATH"] = os.pathsep.join([str(bin_dir), self.environ.get("PATH", os.defpath)])
        if self.settings.cloud == "gcp":
            self.environ[vertex_server.VARIABLE] = loopback.started(vertex_server.__name__, self.account)
        if self.settings.cloud == "azure":
            self.environ[ml_server.VARIABLE] = loopback.started(ml_server.__name__, self.account)
        self.environ[nursery.VARIABLE] = nursery.started(
            self.account, self.settings.cloud, project=self.project, environ=self.environ
        )
        self.engine = _Engine(self.project, self.stack, environ=self.environ)

    def begin(self) -> None:
        """The stack with a stand-in value for each secret that the user's has, beside what the user brings."""
        for id in brought(self.settings.own):
            self.account.bring("*", id)
        self.engine.ensure_stack()
        for key in self._secrets:
            self.engine.set_secret(key, "rehearsed-secret-value")

    @property
    def settings(self) -> Settings:
        """What the copy of the stack's file says now."""
        return from_file(self.file)

    @property
    def contract(self) -> StackContract:
        return StackContract.read(self.engine.outputs()["platform"])

    def declare(self, path: str, value: Any) -> None:
        """Change the copy of the stack's file."""
        file = StackFile.read(self.file)
        if value is None:
            file.remove(path)
        else:
            file.set(path, value)
        file.write()

    def _copy_without_secrets(self, file: Path) -> list[str]:
        """The user's encrypted values can't be opened here, and must not be."""
        _, secret = raw_config(file)
        shutil.copy(file, self.file)
        copied = StackFile.read(self.file)
        for key in ("encryptionsalt", "encryptedkey", "secretsprovider"):
            copied.remove(key)
        kept = [key for key in secret if key.split(":", 1)[1] in SECRET_KEYS]
        for key in kept:
            copied.remove(f"config.{key}")
        copied.remove("config.skywright:backend")
        copied.write()
        return kept


class _Engine(Engine):
    """The engine of a bed: it sees the bed's environment and nothing of the user's."""

    def __init__(self, project_dir: Path, stack: str, *, environ: Mapping[str, str]) -> None:
        own = environment.own_url(project_dir)
        passphrase = project_dir / ".skywright" / environment.PASSPHRASE
        super().__init__(project_dir, stack, backend_url=own, passphrase_file=passphrase, is_offline=True)
        self._environ = dict(environ)


def brought(settings: Any, *, is_existing: bool = False) -> Iterator[str]:
    """The names and ids that stand in the sections `existing` of a cloud's settings."""
    if isinstance(settings, BaseModel):
        for key in type(settings).model_fields:
            yield from brought(getattr(settings, key), is_existing=is_existing or key == "existing")
    elif is_existing and isinstance(settings, str):
        yield settings
    elif is_existing and isinstance(settings, tuple):
        yield from settings


def _without_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key in KEPT or not key.startswith(CREDENTIALS)}


@contextmanager
def made(project_dir: Path, file: Path, folder: Path, **options: Any) -> Iterator[Bed]:
    """A bed; whatever its stand-ins started (API servers) is ended with it."""
    bed = Bed(folder, project_dir, file, **options)
    try:
        bed.begin()
        yield bed
    finally:
        launch.end(bed.account)
