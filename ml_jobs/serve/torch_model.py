"""PyTorch models: an architecture from installed code, weights from safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from catalog.errors import UserError
from ml_jobs.serve.artifact import ModelFile
from ml_jobs.serve.frameworks import architecture
from ml_jobs.serve.tensors import DATATYPES, Array


class TorchPredictor:
    """Calls the module with the inputs in their order. It may answer a tensor, a tuple, or a dict by output name.

    A model of one tensor may declare more outputs: `probabilities` is then its softmax, `label` its argmax.
    """

    def __init__(self, module: torch.nn.Module, model: ModelFile, device: torch.device) -> None:
        self.module = module.to(device).eval()
        self.model = model
        self.device = device

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        with torch.inference_mode():
            tensors = [torch.from_numpy(inputs[spec.name]).to(self.device) for spec in self.model.inputs]
            answer = self.named(self.module(*tensors))
            return {
                spec.name: np.asarray(answer[spec.name].cpu().numpy(), DATATYPES[spec.datatype])
                for spec in self.model.outputs
            }

    def named(self, answer: Any) -> Mapping[str, torch.Tensor]:
        """What the module answered, by output name."""
        if isinstance(answer, Mapping):
            return answer
        names = [spec.name for spec in self.model.outputs]
        if isinstance(answer, tuple | list):
            return dict(zip(names, answer, strict=True))
        return {name: _derived(name, answer, alone=len(names) == 1) for name in names}


def _derived(name: str, logits: torch.Tensor, *, alone: bool) -> torch.Tensor:
    if not alone and name == "label":
        return logits.argmax(-1)
    if not alone and name == "probabilities":
        return logits.softmax(-1)
    return logits


def load(folder: Path, model: ModelFile) -> TorchPredictor:
    """One thread: the requests of other processes want the cores, and small batches gain nothing from more."""
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # golden answers are full FP32
    path = folder / model.weights
    if model.architecture is None:
        raise UserError(f"{folder}/model.json has no architecture; torch needs the function that builds the model")
    try:
        module = architecture(model.architecture.entry)(**model.architecture.params)
        module.load_state_dict(load_file(path), strict=True)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} can't be read as safetensors: {error}", "Register the model anew.") from None
    except (TypeError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"the weights in {path} don't fit {model.architecture.entry}: {first}") from None
    return TorchPredictor(module, model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
