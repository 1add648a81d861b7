"""Inputs are checked before a step is trained: columns, types, shapes, nulls, ranges, digest.

A table is a mapping of column names to arrays whose first axis is the row; a column may hold vectors or images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from catalog.errors import UserError, did_you_mean
from ml_jobs.contract import Input

Array = npt.NDArray[Any]
Table = Mapping[str, Array]

CHECKS = ("dtype", "shape", "nullable", "minimum", "maximum", "allowed", "unique")
"""What may be asked of a column. `shape`: of one row; `allowed`: the closed list of values."""
_BINS = 16


def digest(table: Table) -> str:
    """SHA-256 of a table's names, types, shapes and values; equal tables, equal digest, on any machine."""
    total = hashlib.sha256()
    for name in sorted(table):
        column = np.ascontiguousarray(table[name])
        if column.dtype == object:
            column = column.astype(str)
        if column.dtype.byteorder == ">":
            column = column.astype(column.dtype.newbyteorder("<"))
        total.update(f"{name} {column.dtype.str} {list(column.shape)}\n".encode())
        total.update(column.tobytes())
    return total.hexdigest()


def check(given: Input, table: Table) -> str:
    """Hold `table` against the input's schema and digest. Returns the digest; raises UserError for a mistake."""
    where = f"input {given.name}"
    if not table:
        raise UserError(f"{where} has no columns", "Check the input's URL.")
    rows = {name: len(column) for name, column in table.items()}
    if len(set(rows.values())) > 1:
        raise UserError(f"{where}: columns differ in length: {rows}")
    if not next(iter(rows.values())):
        raise UserError(f"{where} has no rows", "Check the input's URL.")
    for name, asked in given.columns.items():
        if name not in table:
            hint = did_you_mean(name, list(table))
            raise UserError(f"{where} has no column {name!r}; it has: {', '.join(sorted(table))}", hint)
        _check_column(f"{where}, column {name}", np.asarray(table[name]), asked)
    found = digest(table)
    if given.digest is not None and found != given.digest:
        raise UserError(
            f"{where} has digest {found}; allowed: {given.digest}",
            "The data changed: find out why, then put the new digest into the job.",
        )
    return found


def _check_column(where: str, column: Array, asked: Mapping[str, Any]) -> None:
    for key in asked:
        if key not in CHECKS:
            hint = did_you_mean(key, list(CHECKS))
            raise UserError(f"{where}: unknown check {key!r}; allowed: {', '.join(CHECKS)}", hint)
    if (dtype := asked.get("dtype")) is not None and column.dtype != _dtype(where, dtype):
        raise UserError(f"{where} is of dtype {column.dtype.name}; allowed: {dtype}")
    if (shape := asked.get("shape")) is not None and list(column.shape[1:]) != list(shape):
        raise UserError(f"{where} has rows of shape {list(column.shape[1:])}; allowed: {list(shape)}")
    nulls = _nulls(column)
    if not asked.get("nullable", False) and nulls.any():
        raise UserError(
            f"{where} has {int(nulls.sum())} nulls, first in row {_first_row(nulls)}; allowed: none",
            "Fill or drop them, or set nullable: true.",
        )
    for key, is_wrong, sign in (("minimum", np.less, ">="), ("maximum", np.greater, "<=")):
        if (bound := asked.get(key)) is not None:
            _refuse(where, column, _compare(where, column, is_wrong, bound) & ~nulls, f"{sign} {bound}")
    if (allowed := asked.get("allowed")) is not None:
        _refuse(where, column, ~np.isin(column, list(allowed)) & ~nulls, f"one of {', '.join(map(str, allowed))}")
    if asked.get("unique"):
        values, counts = np.unique(column, return_counts=True)
        if (counts > 1).any():
            raise UserError(f"{where} has {values[counts > 1][0]} {counts.max()} times; allowed: once")


def _dtype(where: str, name: Any) -> np.dtype[Any]:
    try:
        found: np.dtype[Any] = np.dtype(name)
    except TypeError:
        raise UserError(f"{where}: dtype {name!r} is unknown; allowed: NumPy's, such as float64 or int64") from None
    return found


def _compare(where: str, column: Array, is_wrong: Any, bound: Any) -> Array:
    try:
        with np.errstate(invalid="ignore"):
            return np.asarray(is_wrong(column, bound), dtype=bool)
    except (TypeError, np.exceptions.DTypePromotionError):
        raise UserError(f"{where} is of dtype {column.dtype.name}, which has no order with {bound!r}") from None


def _nulls(column: Array) -> Array:
    if column.dtype.kind in "fc":
        return np.isnan(column)
    if column.dtype.kind == "M":
        return np.isnat(column)
    if column.dtype == object:
        return np.array([value is None or value != value for value in column.ravel()]).reshape(column.shape)
    return np.zeros(column.shape, dtype=bool)


def _refuse(where: str, column: Array, wrong: Array, allowed: str) -> None:
    if wrong.any():
        value = column[wrong].ravel()[0]
        count = int(wrong.sum())
        others = f" and {count - 1} more" if count > 1 else ""
        raise UserError(f"{where} has {value} in row {_first_row(wrong)}{others}; allowed: {allowed}")


def _first_row(mask: Array) -> int:
    return int(np.argmax(mask.reshape(len(mask), -1).any(axis=1)))


def statistics(table: Table) -> dict[str, dict[str, Any]]:
    """Per feature what a later drift check compares with: count, nulls, mean, std, min, max, histogram.

    A column of vectors gives one feature per element, `pixels[0]` and so on. Text columns give their commonest values.
    """
    features: dict[str, dict[str, Any]] = {}
    for name, raw in table.items():
        column = np.asarray(raw)
        if column.ndim == 1:
            features[name] = _describe(column)
            continue
        flat = column.reshape(len(column), -1)
        for index in range(flat.shape[1]):
            features[f"{name}[{index}]"] = _describe(flat[:, index])
    return features


def _describe(column: Array) -> dict[str, Any]:
    nulls = _nulls(column)
    known = column[~nulls]
    base: dict[str, Any] = {"count": len(column), "nulls": int(nulls.sum())}
    if column.dtype.kind not in "fiub":
        values, counts = np.unique(known.astype(str), return_counts=True)
        top = np.argsort(-counts, kind="stable")[:_BINS]
        return {**base, "top": {str(values[i]): int(counts[i]) for i in top}}
    known = known.astype(np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return base
    counts, edges = np.histogram(known, bins=_BINS)
    return {
        **base,
        "mean": _round(known.mean()),
        "std": _round(known.std()),
        "min": _round(known.min()),
        "max": _round(known.max()),
        "histogram": {"edges": [_round(edge) for edge in edges], "counts": counts.tolist()},
    }


def _round(value: Any) -> float:
    return float(f"{float(value):.9g}")
