"""Rows to try a model with, by what it takes: held-out rows of the data set that its sample job trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.errors import UserError


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows for the model's only input, and what is known to be right for each."""

    rows: list[list[float]]
    expected: list[Any]


def _digits(count: int) -> Sample:
    from ml_jobs.train.digits import load, split

    table = load()
    _, held_out = split(table["label"], 0)
    chosen = [held_out[number % len(held_out)] for number in range(count)]
    return Sample(table["pixels"][chosen].tolist(), table["label"][chosen].tolist())


SETS = {("pixels", (-1, 64)): _digits}
"""Input name and shape -> rows."""


def sample(model: str, inputs: Sequence[Mapping[str, Any]], count: int) -> Sample:
    """Raises UserError when no data set is known for such inputs."""
    first = (inputs[0]["name"], tuple(inputs[0]["shape"])) if len(inputs) == 1 else None
    if first not in SETS:
        takes = ", ".join(f"{item['name']} {item['datatype']} {list(item['shape'])}" for item in inputs)
        raise UserError(f"there are no sample rows for model {model}, which takes {takes}", "Give rows: --input FILE")
    return SETS[first](count)
