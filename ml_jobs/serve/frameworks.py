"""What can run a model: one row per framework, imported when a model needs it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from catalog.errors import UserError, did_you_mean
from ml_jobs.serve.artifact import ModelFile
from ml_jobs.serve.tensors import Array

FRAMEWORKS = {
    "onnx": ("ml_jobs.serve.onnx_model:load", "onnxruntime_onnx"),
    "sklearn": ("ml_jobs.serve.skops_model:load", "sklearn_skops"),
    "torch": ("ml_jobs.serve.torch_model:load", "torch_safetensors"),
}
"""Framework -> (`load(folder, model) -> Predictor`, the protocol's name of the platform). None of them unpickles."""

ARCHITECTURES = "skywright.architectures"
"""Group of installed entry points whose functions model.json may name beside those of ml_jobs."""


class Predictor(Protocol):
    """Answers a batch; called by one thread at a time."""

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]: ...


def load(folder: Path, model: ModelFile) -> Predictor:
    if model.framework not in FRAMEWORKS:
        raise UserError(
            f"model.json names framework {model.framework!r}; known: {', '.join(FRAMEWORKS)}",
            did_you_mean(model.framework, list(FRAMEWORKS)),
        )
    loader, _ = FRAMEWORKS[model.framework]
    try:
        return cast(Predictor, resolve(loader)(folder, model))
    except ModuleNotFoundError as error:
        raise UserError(
            f"framework {model.framework} needs {error.name}, which is not installed here",
            "Install skywright[serve], or serve from its image.",
        ) from None


def architecture(entry: str) -> Callable[..., Any]:
    """The function that builds the model. An artifact is data: it may only name code that is installed for this."""
    allowed = entry.startswith("ml_jobs.") or any(point.value == entry for point in entry_points(group=ARCHITECTURES))
    if not allowed or ":" not in entry:
        raise UserError(
            f"model.json names architecture {entry!r}; allowed: module:function of ml_jobs or of an installed package",
            f"Publish it as an entry point of group {ARCHITECTURES}.",
        )
    try:
        return resolve(entry)
    except (ImportError, AttributeError) as error:
        raise UserError(f"architecture {entry!r} of model.json is not installed here: {error}") from None


def resolve(entry: str) -> Callable[..., Any]:
    module, _, function = entry.partition(":")
    return cast(Callable[..., Any], getattr(importlib.import_module(module), function))
