"""The process groups of a run: one for the training's collectives, one for control, one for checkpoints.

NCCL carries the training's collectives on `cuda:LOCAL_RANK` where CUDA is; elsewhere Gloo does, which is what the tests
run. Each group is used by one thread only: collectives of two threads on one group can meet in different orders on
different ranks, and then wait for each other for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from catalog.errors import SkywrightError
from ml_jobs.runtime.environment import Place

TIMEOUT = timedelta(seconds=60)
"""After this a rank that waits for a lost peer gives up."""


class PeersLost(SkywrightError):
    """A rank ended or can't be reached; the others can't go on without it."""


class NeverMet(PeersLost):
    """They did not all come."""


@dataclass(frozen=True, slots=True)
class Groups:
    """`device`: what this rank computes on."""

    device: Any
    control: Any
    checkpoints: Any


def join(place: Place) -> Groups:
    """Meet the other ranks. Raises NeverMet when they don't all come within TIMEOUT."""
    import torch
    import torch.distributed as dist

    device = torch.device("cpu")
    backend = "gloo"
    if torch.cuda.is_available():
        device = torch.device("cuda", place.local_rank)
        torch.cuda.set_device(device)
        backend = "nccl"
    try:
        if place.world_size == 1:
            dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1, timeout=TIMEOUT)
        else:
            store, _, _ = next(dist.rendezvous("env://", place.rank, place.world_size, timeout=TIMEOUT))
            if place.local_world_size == place.world_size:
                # torchrun may keep one store over its restarts: an attempt must not read the addresses of the last.
                # On several nodes their agents count restarts each for itself, so that no name is common to all.
                store = dist.PrefixStore(f"attempt-{place.attempt}", store)
            dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.world_size, timeout=TIMEOUT)
        control = dist.new_group(backend="gloo", timeout=TIMEOUT)
        checkpoints = dist.new_group(backend="gloo", timeout=TIMEOUT)
        dist.barrier(group=control)  # rank 0 holds the store: it may not leave while another still joins
        return Groups(device=device, control=control, checkpoints=checkpoints)
    except (dist.DistError, RuntimeError, OSError, ValueError) as error:
        raise NeverMet(
            f"rank {place.rank} of {place.world_size} can't meet its peers at {place.master_addr}:{place.master_port}: "
            f"{first_line(error)}",
            "See the other ranks' logs.",
        ) from None


def is_peers_lost(error: BaseException) -> bool:
    """True for the errors by which Gloo and NCCL tell that a peer is gone or does not answer."""
    import torch.distributed as dist

    if isinstance(error, dist.DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(
        sign in text
        for sign in (
            "connection closed by peer",
            "connection reset by peer",
            "broken pipe",
            "timed out waiting",
            "connectfullmesh",
            "gloo/transport",
            "connection refused",
        )
    )


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def leave() -> None:
    """Close the groups, without waiting for peers that may be gone."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
