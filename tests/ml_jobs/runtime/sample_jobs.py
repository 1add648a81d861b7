"""Entries for the tests' jobs. They stand on the ranks' PYTHONPATH."""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ml_jobs.runtime import Run
from ml_jobs.train import digits


class FakeRegistry:
    """Stands for the registry's client: counts its calls in a file beside the run, may be away."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url

    def register(self, artifact_url: str, *, model: str, job: str, **rest: Any) -> int:
        calls = Path(artifact_url.removeprefix("file://")).parent / f"{job}.registered"
        with open(calls, "a") as file:
            file.write(json.dumps({"url": artifact_url, "model": model, "job": job, "by": rest["by"]}) + "\n")
        return 7


def _with_fake_registry() -> None:
    client = types.ModuleType("ml_jobs.registry.client")
    client.Registry = FakeRegistry  # type: ignore[attr-defined]
    sys.modules["ml_jobs.registry.client"] = client


def train_digits(run: Run) -> None:
    """The digits job as it is, with a stand-in for the registry."""
    _with_fake_registry()
    digits.train(run)


def noisy(run: Run) -> None:
    """A small model with dropout and every generator in use; writes its final weights' digest per rank."""
    import random

    import numpy as np

    from ml_jobs.runtime.run import unwrapped
    from ml_jobs.runtime.state import tensors_to_bytes
    from ml_jobs.runtime.storage import sha256

    width = int(run.params.get("width", 16))
    data = torch.linspace(-1, 1, 240 * 8).reshape(240, 8)
    target = data.sum(1, keepdim=True).sin()
    model = run.parallel(nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 1)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)
    trace = run._job.folder / f"samples-{run.rank}.txt"
    steps = run.steps(model, optimizer, samples=240, batch=12, epochs=int(run.params["epochs"]), schedule=schedule)
    for step in steps:
        if step.number == run.params.get("raise_at"):
            raise ValueError("the author's bug")
        if step.number == run.params.get("sleep_at") and run.rank == run.params.get("only_rank", run.rank):
            slept = run._job.folder / "slept"
            if not (run.params.get("once") and slept.exists()):
                slept.touch()
                time.sleep(float(run.params["sleep_s"]))
        rows = torch.as_tensor(step.indices)
        noise = random.random() * 0.01 + float(np.random.rand()) * 0.01
        loss = ((model(data[rows]) - target[rows] + noise) ** 2).mean() * step.weight
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        run.log_metrics({"loss": loss.item()})
        with open(trace, "a") as file:
            file.write(f"{step.number} {' '.join(map(str, step.indices.tolist()))}\n")
        time.sleep(float(run.params.get("pace_s", 0)))
    weights = {name: value.detach().clone() for name, value in unwrapped(model).state_dict().items()}
    digest = sha256(tensors_to_bytes(weights))
    (run._job.folder / f"weights-{run.rank}.sha256").write_text(digest)


def sharded(run: Run) -> None:
    """FSDP2 over all ranks: parameters, gradients and moments in shards; uneven ones among them."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    from ml_jobs.runtime.state import tensors_to_bytes, whole
    from ml_jobs.runtime.storage import sha256

    torch.manual_seed(0)  # no wrapper makes the weights equal here
    data = torch.linspace(-1, 1, 240 * 8).reshape(240, 8)
    target = data.sum(1, keepdim=True).sin()
    model = nn.Sequential(nn.Linear(8, 17), nn.ReLU(), nn.Linear(17, 5), nn.ReLU(), nn.Linear(5, 1))
    mesh = init_device_mesh("cpu", (run.world_size,))
    for layer in (model[0], model[2], model[4], model):
        fully_shard(layer, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    trace = run._job.folder / f"samples-{run.rank}.txt"
    for step in run.steps(model, optimizer, samples=240, batch=12, epochs=int(run.params["epochs"])):
        rows = torch.as_tensor(step.indices)
        loss = ((model(data[rows]) - target[rows]) ** 2).mean() * step.weight
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with open(trace, "a") as file:
            file.write(f"{step.number} {' '.join(map(str, step.indices.tolist()))}\n")
        time.sleep(float(run.params.get("pace_s", 0)))
    weights = {name: value.detach().clone() for name, value in whole(model.state_dict()).items()}
    digest = sha256(tensors_to_bytes(weights))
    (run._job.folder / f"weights-{run.rank}.sha256").write_text(digest)
    total = ((model(data) - target) ** 2).mean().item()
    (run._job.folder / f"loss-{run.rank}.txt").write_text(str(total))


def leaves(run: Run) -> None:
    raise SystemExit(3)


def holds_the_lock(run: Run) -> None:
    """Blocks in C without giving the interpreter's lock away, as a broken extension does."""
    import ctypes

    model = run.parallel(nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in run.steps(model, optimizer, samples=240, batch=12, epochs=1):
        ctypes.PyDLL(None).sleep(600)
