"""What a checkpoint holds of a process: copies of model and optimizer on the host, and the random generators' states.

Taking a copy is all that blocks the loop; turning it into bytes is done by another thread.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from catalog.errors import UserError


class Stateful(Protocol):
    """Anything with PyTorch's pair of methods: optimizers, schedulers, scalers, averaged models."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


def on_host(value: Any) -> Any:
    """A copy of a nested state with every tensor on the host, sharing no memory with the original."""
    import torch

    if isinstance(value, torch.Tensor):
        source = value.detach()
        if not source.is_cuda:
            return source.clone(memory_format=torch.contiguous_format)
        target = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
        return target.copy_(source, non_blocking=True)  # the caller synchronises once
    if isinstance(value, Mapping):
        return {key: on_host(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(on_host(item) for item in value)
    return value


def whole(value: Any) -> Any:
    """A nested state with every sharded tensor (FSDP2's) gathered. Collective: all ranks call it, on alike states.

    What is saved is so the same on any number of ranks; the gathered copy must fit beside the shards.
    """
    if _is_shard(value):
        return value.full_tensor()
    if isinstance(value, Mapping):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(whole(item) for item in value)
    return value


def is_sharded(module: Any) -> bool:
    return any(_is_shard(parameter) for parameter in module.parameters())


def _is_shard(value: Any) -> bool:
    """Who made one has imported its class; without that there is none, and importing it may draw random numbers."""
    known = sys.modules.get("torch.distributed.tensor")
    return known is not None and isinstance(value, known.DTensor)


def _sharded(value: Any, like: Any) -> Any:
    """Each whole tensor in `value` laid out as its counterpart in `like`; no rank sends anything."""
    if _is_shard(like) and not _is_shard(value):
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        return {key: _sharded(item, like.get(key)) for key, item in value.items()}
    return value


def _moments(state: Mapping[str, Any], optimizer: Any) -> dict[str, Any]:
    """An optimizer's state with each tensor of a parameter's shape laid out as that parameter."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def of(index: int, value: Any) -> Any:
        parameter = parameters[index]
        return _sharded(value, parameter) if getattr(value, "shape", None) == parameter.shape else value

    laid = {index: {key: of(index, value) for key, value in kept.items()} for index, kept in state["state"].items()}
    return {**state, "state": laid}


def synchronise() -> None:
    """Wait for copies that are still on their way from a device."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def generators() -> dict[str, Any]:
    """The states of this process's random generators: Python's, NumPy's, PyTorch's, CUDA's where it is."""
    import numpy as np
    import torch

    version, words, gauss = random.getstate()
    numbers: Any = np.random.get_state(legacy=True)
    name, keys, position, has_gauss, cached = numbers
    state: dict[str, Any] = {
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(keys.astype("int64")), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_generators(state: Mapping[str, Any]) -> None:
    import numpy as np
    import torch

    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype("uint32"), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def seed_generators(seed: int) -> None:
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def to_bytes(state: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def from_bytes(data: bytes) -> Any:
    """Only tensors and plain values: nothing in `data` is executed."""
    import torch

    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def tensors_to_bytes(tensors: Mapping[str, Any]) -> bytes:
    from safetensors.torch import save

    return bytes(save(dict(tensors)))


def tensors_from_bytes(data: bytes) -> dict[str, Any]:
    from safetensors.torch import load

    return dict(load(data))


def shapes(tensors: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Name -> [dtype, shape]: what tells one architecture from another."""
    return {name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)] for name, tensor in tensors.items()}


def load_into(name: str, target: Stateful, state: dict[str, Any], where: str) -> None:
    """Hand a saved state to its object, sharded as that is. Raises UserError when it doesn't fit."""
    try:
        if hasattr(target, "param_groups") and "state" in state:
            target.load_state_dict(_moments(state, target))
        else:
            target.load_state_dict(_sharded(state, target.state_dict()))
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        line = " ".join(str(error).split())[:300]
        raise UserError(
            f"{where} does not fit this job's {name}: {line}", "Submit the job anew, or with the code that wrote it."
        ) from None
