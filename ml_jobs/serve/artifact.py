"""A model's artifact as a server meets it: verified, then read. Nothing in it is ever unpickled."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Record, Release, explain
from ml_jobs.serve.protocol import Signature
from ml_jobs.serve.tensors import DATATYPES, Array, TensorSpec

FORMAT_VERSION = 1


class Architecture(Record):
    """The function that builds the model, and what it is called with."""

    entry: str
    params: dict[str, Any] = Field(default_factory=dict)


class Tensor(Record):
    name: str = Field(min_length=1)
    datatype: str
    shape: tuple[int, ...]


class ModelFile(Record):
    """model.json. `weights` is a file name beside it; `tolerance` how far golden answers may be off.

    Only torch needs `architecture`: the others' weights hold the whole model.
    """

    format_version: int
    model: str
    framework: str
    architecture: Architecture | None = None
    weights: str = Field(pattern=r"^[\w][\w.-]*$")
    inputs: tuple[Tensor, ...] = Field(min_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    tolerance: float = Field(1e-4, ge=0)

    @property
    def signature(self) -> Signature:
        return Signature(
            tuple(TensorSpec(item.name, item.datatype, item.shape) for item in self.inputs),
            tuple(TensorSpec(item.name, item.datatype, item.shape) for item in self.outputs),
        )


@dataclass(frozen=True)
class Golden:
    """Rows with the answers that the model gave when it was registered."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


def verified(release: Release, mounted: str | None = None) -> Path:
    """The artifact's folder on this machine, after its digest is checked. Raises SkywrightError for any other bytes.

    `mounted`: path or URL of the folder into which a platform has put the artifact; taken in place of its own URL.
    """
    from ml_jobs.registry.artifact import digest

    folder = _local(mounted or release.artifact_url)
    if not folder.is_dir():
        raise SkywrightError(
            f"artifact {release.artifact_url} of {release.model} version {release.version} is not there",
            "Release a version whose artifact is kept.",
        )
    found = digest(str(folder))
    if found != release.artifact_sha256:
        raise SkywrightError(
            f"artifact {release.artifact_url} has sha256 {found}; the release says {release.artifact_sha256}",
            "It was altered after it was approved: release another version, and find out who changed it.",
        )
    return folder


def _local(url: str) -> Path:
    """A folder of this machine as it stands; one of an object store as a copy."""
    if url.startswith("file://") or "://" not in url:
        return Path(url.removeprefix("file://"))
    import fsspec

    copy = Path(tempfile.mkdtemp(prefix="skywright-artifact-"))
    filesystem, path = fsspec.core.url_to_fs(url)
    filesystem.get(path.rstrip("/") + "/", f"{copy}/", recursive=True)
    return copy


def read_model(folder: Path) -> ModelFile:
    data = _json(folder / "model.json")
    version = data.get("format_version")
    if version != FORMAT_VERSION:
        raise UserError(
            f"{folder}/model.json has format_version {version!r}; this server reads {FORMAT_VERSION}",
            "Serve it with the skywright that wrote it.",
        )
    try:
        model = ModelFile.model_validate(data, extra="ignore")
        _ = model.signature
    except ValidationError as error:
        raise UserError(explain(error, f"{folder}/model.json")) from None
    except ValueError as error:
        raise UserError(f"{folder}/model.json: {error}") from None
    return model


def read_golden(folder: Path, signature: Signature) -> Golden:
    """golden.json: inputs and outputs as tensors of the protocol, or as nested rows by name."""
    path = folder / "golden.json"
    data = _json(path)
    try:
        golden = Golden(_tensors(data["inputs"], signature.inputs), _tensors(data["outputs"], signature.outputs))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} does not hold the model's inputs and outputs: {type(error).__name__} {error}"
        ) from None
    rows = {len(array) for array in (*golden.inputs.values(), *golden.outputs.values())}
    if len(rows) != 1 or rows == {0}:
        raise UserError(f"{path} has {sorted(rows)} rows in its tensors; all need the same number, at least 1")
    return golden


def _tensors(given: Any, specs: tuple[TensorSpec, ...]) -> dict[str, Array]:
    by_name = given if isinstance(given, dict) else {item["name"]: item for item in given}
    arrays = {}
    for spec in specs:
        value = by_name[spec.name]
        values, shape = (value["data"], value["shape"]) if isinstance(value, dict) else (value, None)
        array = np.asarray(values, DATATYPES[spec.datatype])
        arrays[spec.name] = array.reshape(shape if shape is not None else (-1, *spec.shape[1:]))
    return arrays


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}", "Register the model anew.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} holds a {type(data).__name__}; it must hold an object", "Register the model anew.")
    return data
