"""A scikit-learn model as bytes: what skops writes, made the same for equal models.

skops names the arrays in its archive by their addresses in memory and stamps them with the time; here they are numbered
in the order in which the model refers to them, so that equal models have one digest, however often a job was preempted.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from catalog.errors import UserError

WEIGHTS = "model.skops"
SCHEMA = "schema.json"


class Estimator:
    """A fitted scikit-learn estimator with PyTorch's pair of methods: for checkpoints, and for `run.register_model`."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def state_dict(self) -> dict[str, Any]:
        """The estimator's bytes as one tensor of uint8, which is what a checkpoint can hold."""
        import torch

        return {WEIGHTS: torch.frombuffer(bytearray(dumped(self.estimator)), dtype=torch.uint8)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError for a state that isn't one of these."""
        self.estimator = loaded(blob_of(state))


def dumped(estimator: Any) -> bytes:
    """Equal estimators give equal bytes, also after they were loaded."""
    from skops.io import dumps

    source = zipfile.ZipFile(io.BytesIO(dumps(estimator)))
    ids: dict[Any, int] = {}
    files: dict[str, str] = {}
    schema = _renumbered(json.loads(source.read(SCHEMA)), ids, files)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for old, new in files.items():
            archive.writestr(zipfile.ZipInfo(new), source.read(old))
        archive.writestr(zipfile.ZipInfo(SCHEMA), json.dumps(schema))
    return target.getvalue()


def _renumbered(node: Any, ids: dict[Any, int], files: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renumbered(item, ids, files) for item in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__":
            found[key] = ids.setdefault(value, len(ids))
        elif key == "file":
            found[key] = files.setdefault(value, f"{len(files)}{value[value.rfind('.') :]}")
        else:
            found[key] = _renumbered(value, ids, files)
    return found


def loaded(blob: bytes) -> Any:
    """The estimator. Nothing is unpickled; only types that its server trusts are built.

    Raises UserError that names the others.
    """
    from skops.io import get_untrusted_types, loads

    from ml_jobs.serve.skops_model import TRUSTED

    if strange := set(get_untrusted_types(data=blob)) - set(TRUSTED):
        raise UserError(
            f"the model is made of {', '.join(sorted(strange))}, which its server does not trust",
            "Hand over an estimator of scikit-learn, without functions or classes of your own.",
        )
    return loads(blob, trusted=list(TRUSTED))


def blob_of(state: Mapping[str, Any]) -> bytes:
    """An Estimator's state as the bytes that it holds."""
    if WEIGHTS not in state:
        raise UserError(
            f"the model's state holds {', '.join(state) or 'nothing'}, not {WEIGHTS}",
            "Hand a scikit-learn model over as Estimator(model).",
        )
    return bytes(state[WEIGHTS].numpy().tobytes())


def answers(blob: bytes, outputs: Sequence[str], columns: Sequence[Any]) -> dict[str, Any]:
    """What the model read back from `blob` answers, by output name, to the inputs as columns of one table."""
    from ml_jobs.serve.skops_model import METHODS

    estimator = loaded(blob)
    table = columns[0] if len(columns) == 1 else np.column_stack(list(columns))
    found = {}
    for name in outputs:
        method = METHODS.get(name, "predict")
        if not hasattr(estimator, method):
            raise UserError(f"output {name} needs {method}, which {type(estimator).__name__} has not")
        found[name] = np.asarray(getattr(estimator, method)(table))
    return found
