"""A table from where it lies: Parquet, CSV or npz by fsspec URL, or a data set that a package ships."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from catalog.errors import SkywrightError, UserError, did_you_mean
from ml_jobs.runtime.storage import Folder
from ml_jobs.serve.tensors import TensorSpec

Table = dict[str, Any]
"""Column -> array whose first axis is the row."""

SHIPPED = {
    "package://scikit-learn/breast_cancer": "ml_jobs.train.breast_cancer:load",
    "package://scikit-learn/digits": "ml_jobs.train.digits:load",
}
"""Data sets that packages ship -> who loads them."""


def read(url: str) -> Table:
    """The table at `url`: a file, or a folder of files of one format, in the order of their names.

    It is held in memory whole. Raises UserError for what is no table, StorageError for a store that is away.
    """
    if url.startswith("package://"):
        if url not in SHIPPED:
            raise UserError(
                f"input {url} is unknown; there are: {', '.join(SHIPPED)}", did_you_mean(url, list(SHIPPED))
            )
        module, _, function = SHIPPED[url].partition(":")
        loaded: Table = getattr(import_module(module), function)()
        return loaded
    parent, _, name = url.rstrip("/").rpartition("/")
    if _format(name):
        return _joined([_file(Folder(parent or "."), name, url)], url)
    folder = Folder(url)
    names = [found for found in folder.names() if _format(found)]
    kinds = {_format(found) for found in names}
    if not names:
        raise UserError(f"input {url} holds no {', '.join(READERS)} file", "Name a file, or a folder of such files.")
    if len(kinds) > 1:
        raise UserError(f"input {url} holds files of several formats: {', '.join(sorted(map(str, kinds)))}")
    return _joined([_file(folder, found, f"{url}/{found}") for found in names], url)


def _format(name: str) -> str | None:
    return next((suffix for suffix in READERS if name.endswith(suffix)), None)


def _file(folder: Folder, name: str, url: str) -> Table:
    try:
        data = folder.read(name)
    except FileNotFoundError:
        raise UserError(f"input {url} is not there", "Check the URL and its rights.") from None
    try:
        return READERS[str(_format(name))](data)
    except SkywrightError:
        raise
    except ModuleNotFoundError as error:
        raise UserError(
            f"input {url} needs {error.name}, which is not installed", "Install pyarrow, or use npz."
        ) from None
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(f"input {url} can't be read as {str(_format(name))[1:]}: {line}") from None


def _parquet(data: bytes) -> Table:
    from pyarrow import parquet

    return _columns(parquet.read_table(io.BytesIO(data)))


def _csv(data: bytes) -> Table:
    from pyarrow import csv

    return _columns(csv.read_csv(io.BytesIO(data)))


def _npz(data: bytes) -> Table:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


READERS: dict[str, Callable[[bytes], Table]] = {".parquet": _parquet, ".csv": _csv, ".npz": _npz}


def _columns(table: Any) -> Table:
    """Arrow's columns as arrays; a column of lists of one length becomes a matrix."""
    found = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        array = column.to_numpy(zero_copy_only=False)
        if array.dtype == object and len(array) and all(isinstance(row, np.ndarray) for row in array):
            if len({len(row) for row in array}) > 1:
                raise UserError(f"column {name!r} has lists of unequal length")
            array = np.stack(array)
        found[name] = array
    return found


def _joined(parts: list[Table], url: str) -> Table:
    first = parts[0]
    for part in parts[1:]:
        if list(part) != list(first):
            raise UserError(f"input {url} has files with other columns: {', '.join(part)} beside {', '.join(first)}")
    return {name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else first[name] for name in first}


def column_of(table: Mapping[str, Any], spec: TensorSpec, where: str) -> Any:
    """The column of a model's input: of its name, or put together from `name[0]`, `name[1]`, ... as CSV has them.

    Raises UserError with the columns that there are.
    """
    if spec.name in table:
        return np.asarray(table[spec.name])
    width = spec.shape[1] if len(spec.shape) == 2 else 0
    flat = [f"{spec.name}[{index}]" for index in range(max(width, 0))]
    if flat and all(name in table for name in flat):
        return np.column_stack([np.asarray(table[name]) for name in flat])
    also = f", nor {flat[0]} to {flat[-1]}" if flat else ""
    raise UserError(
        f"{where} has no column {spec.name!r}{also}, which the model takes; it has: {', '.join(sorted(table))}",
        did_you_mean(spec.name, list(table)),
    )
