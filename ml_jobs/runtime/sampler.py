"""Which samples a rank takes at which step: a pure function of seed and step, so that a position is one number.

Epochs follow each other in one stream of shuffled samples; a step takes the next global batch of it, whatever the
number of ranks, and each rank takes its share. No sample is skipped or repeated, also after a resume on other ranks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from catalog.errors import UserError, mistake

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Step:
    """One step on one rank. `number` counts from 0. `weight` times the mean loss over `indices`, averaged over the
    ranks, is the mean over the global batch, also where shares differ in size.
    """

    number: int
    total: int
    epoch: int
    indices: Indices
    weight: float

    @property
    def progress(self) -> float:
        """0 at the first step, towards 1 at the last."""
        return self.number / self.total

    def every(self, steps: int) -> bool:
        """True at every `steps`-th step and the last."""
        return (self.number + 1) % steps == 0 or self.number + 1 == self.total


@dataclass(frozen=True, slots=True)
class Sampler:
    """`samples` x `epochs` in global batches of `batch`; the last batch takes the remainder along."""

    samples: int
    batch: int
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("samples", "batch", "epochs"):
            if getattr(self, name) < 1:
                raise mistake(name, getattr(self, name), "1 or more")
        if self.seed < 0:
            raise mistake("seed", self.seed, "0 or more")
        if self.batch > self.samples * self.epochs:
            raise mistake("batch", self.batch, f"up to {self.samples * self.epochs} (samples x epochs)")

    @property
    def total(self) -> int:
        return self.samples * self.epochs // self.batch

    def global_batch(self, step: int) -> Indices:
        start = step * self.batch
        end = self.samples * self.epochs if step == self.total - 1 else start + self.batch
        parts = []
        while start < end:
            epoch, offset = divmod(start, self.samples)
            part = _order(self.seed, epoch, self.samples)[offset : offset + end - start]
            parts.append(part)
            start += len(part)
        return np.concatenate(parts)

    def step(self, number: int, rank: int, world_size: int) -> Step:
        if self.batch < world_size:
            raise mistake("batch", self.batch, f"{world_size} or more: one sample for each rank")
        whole = self.global_batch(number)
        share = np.array_split(whole, world_size)[rank]
        weight = len(share) * world_size / len(whole)
        return Step(number, self.total, number * self.batch // self.samples, share, weight)

    def position(self) -> dict[str, Any]:
        """What a checkpoint keeps beside its step."""
        return asdict(self)

    def check(self, saved: dict[str, Any]) -> None:
        """Raises UserError when a saved position is of another stream of samples."""
        mine = self.position()
        for key, value in mine.items():
            if saved.get(key) != value:
                raise UserError(
                    f"the checkpoint's sampler has {key} {saved.get(key)!r}, this job's has {value!r}",
                    "Submit a new job for other data or params; a job resumes only its own checkpoints.",
                )


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, samples: int) -> Indices:
    order: Indices = np.random.default_rng([seed, epoch]).permutation(samples).astype(np.int64)
    order.setflags(write=False)
    return order
