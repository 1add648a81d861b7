"""Saves off the critical path, and the ranks' agreement on what to load.

The loop pays for the snapshot only. A thread collects the other ranks' generators over the checkpoints' own group,
writes and publishes on rank 0. One save is in flight at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.errors import SkywrightError
from ml_jobs.runtime import state
from ml_jobs.runtime.checkpoint import (
    GENERATORS,
    MODEL,
    OPTIMIZER,
    Checkpoint,
    CheckpointFolder,
    Damaged,
    Manifest,
    check_identity,
)
from ml_jobs.runtime.environment import Place
from ml_jobs.runtime.group import Groups, PeersLost, is_peers_lost

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a job saves: the model, the optimizer, and other objects by name that have a state."""

    model: Any
    optimizer: Any
    others: Mapping[str, Any]

    def rest(self) -> dict[str, Any]:
        return {name: thing.state_dict() for name, thing in {"optimizer": self.optimizer, **self.others}.items()}


@dataclass(frozen=True, slots=True)
class Saved:
    """A finished save. `save_s` lasts from snapshot to published, `blocked_s` is the loop's share of it."""

    step: int
    save_s: float
    blocked_s: float
    bytes: int
    error: SkywrightError | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """`passed_over`: checkpoints that were not whole, newest first, each with why."""

    manifest: Manifest | None
    passed_over: list[dict[str, Any]]
    load_s: float


class Saver:
    """Saves and loads the checkpoints of one job. All ranks call the same methods in the same order."""

    def __init__(
        self, folder: CheckpointFolder, place: Place, groups: Groups, *, keep: int, identity: Mapping[str, Any]
    ) -> None:
        self.folder, self._place, self._groups, self._keep = folder, place, groups, keep
        self._identity = dict(identity)
        self._thread: threading.Thread | None = None
        self._done: Saved | None = None
        self.last_step = 0
        """The newest checkpoint that stands, 0 for none."""

    @property
    def is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self, tracked: Tracked, *, step: int, sampler: dict[str, Any], useful_s: float) -> None:
        """Take the snapshot of `step` and start to write it. Only when no save is in flight."""
        began = time.perf_counter()
        copies: tuple[Any, Any] = ({}, {})
        if state.is_sharded(tracked.model):
            held = state.whole(tracked.model.state_dict()), state.whole(tracked.rest())
            copies = (state.on_host(held[0]), state.on_host(held[1])) if self._place.rank == 0 else copies
        elif self._place.rank == 0:
            copies = state.on_host(tracked.model.state_dict()), state.on_host(tracked.rest())
        generators = state.generators()
        state.synchronise()
        manifest = Manifest(
            step=step,
            world_size=self._place.world_size,
            sampler=sampler,
            identity={**self._identity, "tensors": state.shapes(copies[0])},
            useful_s=useful_s,
            attempt=self._place.attempt,
            versions=_versions(),
        )
        blocked_s = time.perf_counter() - began
        self._thread = threading.Thread(
            target=self._write, args=(manifest, *copies, generators, began, blocked_s), name="checkpoint", daemon=True
        )
        self._thread.start()

    def _write(
        self, manifest: Manifest, model: Any, rest: Any, generators: Any, began: float, blocked_s: float
    ) -> None:
        import torch.distributed as dist

        size = 0
        failure: SkywrightError | None = None
        try:
            everyone: list[Any] | None = [None] * self._place.world_size if self._place.rank == 0 else None
            dist.gather_object(generators, everyone, dst=0, group=self._groups.checkpoints)
            if self._place.rank == 0:
                files = {
                    MODEL: state.tensors_to_bytes(model),
                    OPTIMIZER: state.to_bytes(rest),
                    GENERATORS: state.to_bytes(everyone),
                }
                size = self.folder.publish(manifest, files)
                self.folder.prune(self._keep)
        except SkywrightError as error:
            failure = error
        except Exception as error:
            is_lost = is_peers_lost(error)
            why = "a peer is lost" if is_lost else f"{type(error).__name__}: {error}"
            kind = PeersLost if is_lost else SkywrightError
            failure = kind(f"the checkpoint of step {manifest.step} was not saved: {why}")
        if failure is None:
            self.last_step = manifest.step
        self._done = Saved(manifest.step, time.perf_counter() - began, blocked_s, size, failure)

    def finished(self) -> Saved | None:
        """The save that ended since the last call, once."""
        if self.is_busy:
            return None
        done, self._done = self._done, None
        return done

    def wait(self) -> None:
        """Until no save is in flight."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def load(self, tracked: Tracked) -> Loaded:
        """Put the newest checkpoint that every rank finds whole into `tracked` and this rank's generators.

        Raises UserError when it is of another model or of a newer format.
        """
        began = time.perf_counter()
        if self._place.rank == 0:
            self.folder.sweep()
        passed_over: list[dict[str, Any]] = []
        for step in self._from_rank_0(self.folder.steps() if self._place.rank == 0 else None):
            found, why = self._read(step)
            if not any(reasons := self._all(why)):
                assert found is not None
                self._restore(found, tracked)
                self.last_step = step
                return Loaded(found.manifest, passed_over, time.perf_counter() - began)
            passed_over.append({"step": step, "why": next(reason for reason in reasons if reason)})
            log.warning("the checkpoint of step %d is passed over: %s", step, passed_over[-1]["why"])
        return Loaded(None, passed_over, time.perf_counter() - began)

    def _read(self, step: int) -> tuple[Checkpoint | None, str]:
        try:
            return self.folder.read(step), ""
        except Damaged as damage:
            return None, str(damage)

    def _restore(self, found: Checkpoint, tracked: Tracked) -> None:
        check_identity(found, {**self._identity, "tensors": state.shapes(tracked.model.state_dict())})
        state.load_into("model", tracked.model, state.tensors_from_bytes(found.files[MODEL]), found.url)
        rest = state.from_bytes(found.files[OPTIMIZER])
        for name, thing in {"optimizer": tracked.optimizer, **tracked.others}.items():
            if name not in rest:
                continue
            state.load_into(name, thing, rest[name], found.url)
        everyone = state.from_bytes(found.files[GENERATORS])
        if found.manifest.world_size == self._place.world_size:
            state.restore_generators(everyone[self._place.rank])
        else:  # no generator of theirs is ours: continue from one that depends on where we are
            seed = found.manifest.step * 1_000_003 + self._place.rank
            state.seed_generators(seed)
            log.warning(
                "resumed on %d ranks from %d: samples and global batch are kept, bit-equal weights are not promised",
                self._place.world_size,
                found.manifest.world_size,
            )

    def _from_rank_0(self, value: Any) -> Any:
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._groups.control)
        return box[0]

    def _all(self, mine: Any) -> list[Any]:
        import torch.distributed as dist

        everyone = [None] * self._place.world_size
        dist.all_gather_object(everyone, mine, group=self._groups.control)
        return everyone


def _versions() -> dict[str, str]:
    import platform

    import torch

    return {"python": platform.python_version(), "torch": torch.__version__}
