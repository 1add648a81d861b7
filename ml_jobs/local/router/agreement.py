"""Whether two releases say the same: their answers compared by what they decide."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

CLOSE = 0.01
"""Relative difference up to which two single numbers agree."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """`max_difference`: the largest absolute difference between numbers; None when they can't be compared."""

    agrees: bool
    max_difference: float | None = None


def compare(one: bytes, other: bytes) -> Agreement:
    """Two answers of the protocol. Labels must be equal, scores have the same largest column, numbers be close."""
    try:
        ours, theirs = _outputs(one), _outputs(other)
        if ours.keys() != theirs.keys():
            return Agreement(False)
        agrees, differences = True, [0.0]
        for name, tensor in ours.items():
            same, difference = _same(tensor, theirs[name])
            agrees = agrees and same
            differences.append(difference)
        return Agreement(agrees, max(differences))
    except (ValueError, KeyError, TypeError):
        return Agreement(False)


def _outputs(answer: bytes) -> dict[str, dict[str, Any]]:
    return {tensor["name"]: tensor for tensor in json.loads(answer)["outputs"]}


def _same(one: dict[str, Any], other: dict[str, Any]) -> tuple[bool, float]:
    if one["shape"] != other["shape"] or one["datatype"] != other["datatype"]:
        raise ValueError("another shape")
    if one["datatype"] in ("BYTES", "BOOL"):
        return one["data"] == other["data"], 0.0
    ours, theirs = (np.reshape(np.asarray(tensor["data"], np.float64), tensor["shape"]) for tensor in (one, other))
    difference = float(np.max(np.abs(ours - theirs), initial=0))
    if not one["datatype"].startswith("FP"):
        return difference == 0, difference
    if ours.ndim > 1 and ours.shape[-1] > 1:
        return bool((ours.argmax(-1) == theirs.argmax(-1)).all()), difference
    return bool(np.isclose(ours, theirs, rtol=CLOSE, atol=1e-9).all()), difference
