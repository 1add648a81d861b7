"""Checkpoint v1: a folder of files under one manifest, which is written last and carries the digest of each.

    <checkpoints>/<job id>/step-000000120/
        model.safetensors   weights and buffers
        optimizer.pt        optimizer and whatever else the job tracks; tensors and plain values only
        generators.pt       the random generators of each rank
        manifest.json       format version, step, world size, sampler position, identity, digests, and its own

A folder without a manifest, or with a byte that its digests don't agree with, is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from catalog.errors import UserError
from ml_jobs.runtime.storage import Folder, StorageError, sha256

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
MODEL = "model.safetensors"
OPTIMIZER = "optimizer.pt"
GENERATORS = "generators.pt"
_NAME = re.compile(r"step-(\d{9,})")


def name_of(step: int) -> str:
    return f"step-{step:09d}"


class Damaged(Exception):
    """A checkpoint is torn or was altered."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`identity` is what tells this job from another: entry, params, tensors. `useful_s`: loop time behind it.
    `attempt` wrote it, counted from 0 as its platform counts restarts."""

    step: int
    world_size: int
    sampler: dict[str, Any]
    identity: dict[str, Any]
    useful_s: float = 0.0
    attempt: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def to_bytes(self) -> bytes:
        body = asdict(self)
        return json.dumps({**body, "sha256": _digest(body)}, indent=1, sort_keys=True).encode() + b"\n"


def _digest(body: Mapping[str, Any]) -> str:
    return sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One whole checkpoint: its manifest and the bytes of its files, each found to be as written."""

    url: str
    manifest: Manifest
    files: dict[str, bytes]


class CheckpointFolder:
    """The checkpoints of one job, newest first. One writer at a time."""

    def __init__(self, url: str) -> None:
        self.folder = Folder(url)
        self.url = self.folder.url

    def steps(self) -> list[int]:
        """Steps that have a folder, whole or not, newest first."""
        found = (_NAME.fullmatch(name) for name in self.folder.names())
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def saved_by(self) -> int | None:
        """The attempt that wrote the newest checkpoint, by its manifest alone; None where there is none."""
        for step in self.steps():
            try:
                return self._manifest(self.folder.child(name_of(step)), step).attempt
            except Damaged:
                continue
        return None

    def publish(self, manifest: Manifest, files: Mapping[str, bytes]) -> int:
        """Write one checkpoint, whole or not at all. Returns its bytes. Raises StorageError."""
        listed = {name: {"sha256": sha256(data), "bytes": len(data)} for name, data in files.items()}
        full = Manifest(**{f.name: getattr(manifest, f.name) for f in fields(Manifest)} | {"files": listed})
        return self.folder.publish(name_of(manifest.step), {**files, MANIFEST: full.to_bytes()}, last=MANIFEST)

    def read(self, step: int) -> Checkpoint:
        """The checkpoint of `step`. Raises Damaged for one to pass over, UserError for a newer format."""
        folder = self.folder.child(name_of(step))
        manifest = self._manifest(folder, step)
        files = {}
        for name, stated in manifest.files.items():
            try:
                data = folder.read(name)
            except (FileNotFoundError, StorageError) as error:
                raise Damaged(f"{name} is missing" if isinstance(error, FileNotFoundError) else str(error)) from None
            if len(data) != stated.get("bytes"):
                raise Damaged(f"{name} has {len(data)} bytes, its manifest says {stated.get('bytes')}")
            if sha256(data) != stated.get("sha256"):
                raise Damaged(f"{name} was altered")
            files[name] = data
        for name in (MODEL, OPTIMIZER, GENERATORS):
            if name not in files:
                raise Damaged(f"{name} is not in its manifest")
        return Checkpoint(folder.url, manifest, files)

    @staticmethod
    def _manifest(folder: Folder, step: int) -> Manifest:
        try:
            body = json.loads(folder.read(MANIFEST))
        except FileNotFoundError:
            raise Damaged("it has no manifest") from None
        except (ValueError, StorageError) as error:
            raise Damaged(f"its manifest can't be read: {error}") from None
        if not isinstance(body, dict):
            raise Damaged("its manifest is no object")
        version = body.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise UserError(
                f"checkpoint {folder.url} has format version {version}; this release reads {FORMAT_VERSION}",
                "Resume it with the skywright that wrote it.",
            )
        stated = body.pop("sha256", None)
        if stated != _digest(body):
            raise Damaged("its manifest was altered")
        known = {f.name for f in fields(Manifest)}
        manifest = Manifest(**{key: value for key, value in body.items() if key in known})
        if manifest.step != step:
            raise Damaged(f"its manifest is of step {manifest.step}")
        return manifest

    def prune(self, keep: int) -> None:
        """Remove all but the newest `keep`."""
        for step in self.steps()[keep:]:
            self.folder.remove(name_of(step), first=MANIFEST)

    def sweep(self) -> None:
        self.folder.sweep()


def check_identity(checkpoint: Checkpoint, mine: Mapping[str, Any]) -> None:
    """Raises UserError, naming the first difference, when the checkpoint is of another model or other params."""
    theirs = checkpoint.manifest.identity
    for key in ("entry", "params", "tensors"):
        saved, wanted = theirs.get(key), mine.get(key)
        if saved == wanted:
            continue
        if isinstance(saved, dict) and isinstance(wanted, dict):
            part = next(name for name in [*wanted, *saved] if saved.get(name) != wanted.get(name))
            saved, wanted, key = saved.get(part, "absent"), wanted.get(part, "absent"), f"{key}.{part}"
        raise UserError(
            f"checkpoint {checkpoint.url} is of another model: its {key} is {saved!r}, this job's is {wanted!r}",
            "Submit a new job for other params; a job resumes only its own checkpoints.",
        )
