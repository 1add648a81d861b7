"""A rank's life: find its place, join its peers, call the job's entry, end with an exit code that says what happened.

Runs as `python -m ml_jobs.runtime.main` (one rank), under `torchrun -m ml_jobs.runtime.main`, and as `main()` in a
process that was forked from a parent which imported `ml_jobs.runtime.preload` and started no thread.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from catalog.errors import EXIT_PREEMPTED, SkywrightError, UserError
from ml_jobs.contract import StackContract
from ml_jobs.runtime import accelerators, environment, logs, metadata
from ml_jobs.runtime.events import Events
from ml_jobs.runtime.heartbeat import EXIT_HUNG, Heartbeat, floor
from ml_jobs.runtime.preemption import Notice, Preempted
from ml_jobs.runtime.publisher import Publisher

if TYPE_CHECKING:
    from ml_jobs.runtime.run import Run

EXIT_DONE = 0
EXIT_FAILED = 1

USED_BY_THREADS = (
    "fsspec.implementations.local",
    "httpx",
    "safetensors.torch",
    "ml_jobs.registry.runs",
    "ml_jobs.registry.transport",
)
"""Some of these draw from Python's generator while they are imported, which may not happen beside the training."""

JOIN_S = 180.0
"""Three times what each of the groups waits for the other ranks; Gloo has been seen to wait for ever."""

log = logging.getLogger("ml_jobs.runtime")


def main() -> int:
    """Run this process's rank. Returns 0 done, 75 preempted, 78 a mistake of the job's, 1 a failure worth a retry."""
    notice = Notice().install()
    rank = os.environ.get("RANK", "0")
    logs.configure(os.environ)
    report = Events(environment.folder())
    try:
        return _outcome(notice, report, rank)
    finally:
        if report.publisher is not None:
            report.publisher.close()


def _outcome(notice: Notice, report: Events, rank: str) -> int:
    try:
        return _rank(notice, report)
    except Preempted as end:
        log.info("%s", end)
        return _preempted(report)
    except SkywrightError as error:
        if _is_peers_lost(error):
            return _lost(error, notice, report, rank)
        log.error("%s", error)
        _failed(report, exit_code=error.exit_code, message=str(error), rank=int(rank))
        return error.exit_code
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else EXIT_DONE if end.code is None else EXIT_FAILED
        if code == EXIT_PREEMPTED:
            return _preempted(report)
        if code != EXIT_DONE:
            _failed(report, exit_code=code, message=f"the job ended itself with {end.code}", rank=int(rank))
        return code
    except BaseException as error:
        if _is_peers_lost(error):
            return _lost(error, notice, report, rank)
        log.exception("the job's code raised %s", type(error).__name__)
        _failed(report, exit_code=EXIT_FAILED, message=_line(error), rank=int(rank))
        return EXIT_FAILED


def _preempted(report: Events) -> int:
    report.announce("preempted")
    return EXIT_PREEMPTED


def _lost(error: BaseException, notice: Notice, report: Events, rank: str) -> int:
    """The end of a rank that can't go on without a peer. Why that one is lost it tells itself, if anybody can."""
    from ml_jobs.runtime import lost
    from ml_jobs.runtime.group import NeverMet

    if notice.is_given:
        return _preempted(report)
    what = str(error) if isinstance(error, SkywrightError) else _line(error)
    log.error("a peer of rank %s is lost: %s", rank, what)
    if lost.asks_to_resume(notice, lost.When.UNMET if isinstance(error, NeverMet) else lost.When.MET):
        report.write("peer_lost", rank=int(rank), message=what)
        return EXIT_PREEMPTED
    return EXIT_FAILED


def _failed(report: Events, **fields: Any) -> None:
    """Tell why, in the folder and, from whichever rank knows, at the run's URL."""
    url = os.environ.get(environment.RUN_URL_VARIABLE)
    if report.publisher is None and url:
        try:
            number = os.environ.get(environment.ATTEMPT_VARIABLE) or ""
            report.publisher = Publisher(url, int(number) if number.isdigit() else None)
        except SkywrightError as error:
            log.warning("%s", error)
    if report.publisher is not None:
        report.publisher.start()
    report.write("failed", **fields)


def _rank(notice: Notice, report: Events) -> int:
    place = environment.detect()
    job = environment.job()
    contract = environment.contract()
    if job.url is not None and place.rank == 0:
        report.publisher = Publisher(job.url, job.attempt)
    events = Events(job.folder, is_enabled=place.rank == 0, publisher=report.publisher)
    if job.spec.resources.world_size != place.world_size:
        log.warning("the job asks for %d ranks and runs on %d", job.spec.resources.world_size, place.world_size)
    entry = resolve(job.spec.entry)
    if notice.is_given:
        raise Preempted(0, 0)
    are_apart = place.local_world_size < place.world_size
    floor_s = floor(os.environ, place.world_size, are_apart=are_apart)
    heartbeat = Heartbeat(partial(_hung, report, place.rank), floor_s=floor_s)
    with heartbeat:
        run = _run(job=job, place=place, contract=contract, notice=notice, events=events, heartbeat=heartbeat)
        events.announce("started", attempt=job.attempt, world_size=place.world_size, pool=job.pool)
        try:
            with _watching(contract, place, notice), _sampling(place, run):
                entry(run)
                summary = run.finish()
        except BaseException:
            run.flush()
            raise
    from ml_jobs.runtime import group

    group.leave()
    events.write("succeeded", summary=summary)
    return EXIT_DONE


def _hung(report: Events, rank: int, what: str) -> None:
    """Called by the heartbeat's thread: nothing of the rank's own can be relied on any more."""
    message = f"rank {rank}: {what}"
    log.error("%s", message)
    _failed(report, exit_code=EXIT_HUNG, message=message, rank=rank)
    if report.publisher is not None:
        report.publisher.close()
    sys.stderr.flush()
    os._exit(EXIT_HUNG)


@contextmanager
def _watching(contract: StackContract, place: environment.Place, notice: Notice) -> Iterator[None]:
    """Each node's first rank listens to the cloud's metadata; the others hear of it by the ranks' exchange."""
    kind = metadata.source(contract.cloud)
    if kind is None or place.local_rank != 0:
        yield
        return
    watch, is_ended = metadata.Watch(kind, notice).start(), False
    try:
        yield
    except Preempted:
        is_ended = True
        raise
    finally:
        watch.close(is_ended=is_ended)


@contextmanager
def _sampling(place: environment.Place, run: Run) -> Iterator[None]:
    """Each node's first rank samples the node's GPUs, where there are any."""
    devices = accelerators.find() if place.local_rank == 0 else None
    if devices is None:
        yield
        return
    sampler = accelerators.Sampler(devices, run.log_accelerators).start()
    try:
        yield
    finally:
        sampler.close()


def _run(
    *,
    job: environment.Job,
    place: environment.Place,
    contract: StackContract,
    notice: Notice,
    events: Events,
    heartbeat: Heartbeat,
) -> Run:
    import torch

    from ml_jobs.runtime import group
    from ml_jobs.runtime.run import Run
    from ml_jobs.runtime.state import seed_generators

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would import the compiler, 5 s
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS refuses to be deterministic
    for module in USED_BY_THREADS:
        importlib.import_module(module)
    seed = job.spec.params.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"params.seed is {seed!r}; allowed: a whole number, 0 or more")
    with heartbeat.guard(f"meeting the other ranks at {place.master_addr}:{place.master_port}", JOIN_S):
        groups = group.join(place)
    seed_generators(seed + place.rank)  # each rank its own noise; the wrapper makes the weights equal
    return Run(
        job=job, place=place, groups=groups, contract=contract, notice=notice, events=events, heartbeat=heartbeat
    )


def resolve(entry: str) -> Callable[[Run], Any]:
    """The function that `module:function` names. Raises UserError when it isn't there; a bug in the module passes."""
    name, _, attribute = entry.partition(":")
    told = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path += [folder for folder in told if folder and folder not in sys.path]  # a forked rank did not read it
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UserError(
                f"entry {entry}: there is no module {error.name}", "Check its spelling, and that the image has it."
            ) from None
        raise UserError(f"entry {entry} needs the module {error.name}, which is not installed") from None
    function = getattr(module, attribute, None)
    if not callable(function):
        raise UserError(f"entry {entry}: {name} has no function {attribute}", "Check its spelling.")
    return function  # type: ignore[no-any-return]


def _is_peers_lost(error: BaseException) -> bool:
    if "torch" not in sys.modules:
        return False
    from ml_jobs.runtime.group import PeersLost, is_peers_lost

    return isinstance(error, PeersLost) or is_peers_lost(error)


def _line(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:500]


if __name__ == "__main__":
    sys.exit(main())
