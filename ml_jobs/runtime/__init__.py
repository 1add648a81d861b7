"""Inside a job, on any cloud: where it runs, its data, checkpoints, preemptions, metrics and model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_jobs.runtime.artifact import Model, Tensor
    from ml_jobs.runtime.run import Run
    from ml_jobs.runtime.sampler import Step

__all__ = ["Model", "Run", "Step", "Tensor"]


def __getattr__(name: str) -> Any:
    homes = {"Run": "run", "Step": "sampler", "Model": "artifact", "Tensor": "artifact"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{homes[name]}"), name)
