"""A model version's files: one folder, never changed after it was registered, and one digest that says so."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from catalog.errors import UserError

MODEL = "model.json"
EVALUATION = "evaluation.json"
LINEAGE = "lineage.json"

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file of an artifact: its path relative to the folder (posix), size in bytes, and hexadecimal SHA-256."""

    path: str
    size_bytes: int
    sha256: str


def manifest(url: str) -> tuple[File, ...]:
    """The files below `url` (an fsspec URL or a path of a folder), sorted by path.

    Raises UserError when the folder is missing or empty, can't be read, or holds a link, whose target could change
    without the folder changing.
    """
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(url)
        found = fs.find(root, detail=True)
        files = []
        for path, info in found.items():
            relative = str(path)[len(root.rstrip("/")) :].lstrip("/")
            if info.get("islink"):
                raise UserError(f"artifact {url} holds the link {relative}", "Copy the file itself into the folder.")
            if not relative:
                raise UserError(f"artifact {url} is a file, not a folder", "Name the folder that holds model.json.")
            files.append(_read(fs, path, relative))
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"artifact {url} can't be read: {_reason(error)}", "Check the URL and its rights.") from None
    if not files:
        raise UserError(f"artifact {url} is missing or empty", "Train the version again, or restore its folder.")
    return tuple(sorted(files, key=lambda file: file.path))


def _read(fs: Any, path: str, relative: str) -> File:
    digest, size = hashlib.sha256(), 0
    with fs.open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return File(relative, size, digest.hexdigest())


def digest_of(files: tuple[File, ...]) -> str:
    """SHA-256 over one line per file, `<sha256>  <path>`, sorted by path."""
    lines = (f"{file.sha256}  {file.path}" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def digest(url: str) -> str:
    """The digest of the folder at `url`: equal folders, equal digest. Raises UserError as `manifest` does."""
    return digest_of(manifest(url))


def read_json(url: str, name: str, *, required: bool = False) -> dict[str, Any]:
    """The JSON object in the file `name` of the artifact; empty when it may be missing and is."""
    import fsspec

    where = f"{url.rstrip('/')}/{name}"
    try:
        with fsspec.open(where, "r", encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        if required:
            raise UserError(f"{where} is missing", "A model artifact has one; train the version again.") from None
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{where} can't be read: {_reason(error)}", "Train the version again.") from None
    if not isinstance(content, dict):
        raise UserError(f"{where} holds no JSON object", "Train the version again.")
    return content


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
