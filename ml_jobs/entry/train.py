"""One node of a job: its ranks started with torchrun's variables, its end told in the platform's own way."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.errors import EXIT_PREEMPTED, SkywrightError, UserError
from ml_jobs.contract import CONTRACT_VARIABLE, JobSpec, StackContract
from ml_jobs.entry import conventions
from ml_jobs.entry.gang import GRACE_S, Gang, verdict
from ml_jobs.launch import jobs
from ml_jobs.runtime import environment
from ml_jobs.runtime.environment import JOB_VARIABLE, NOTICE_VARIABLE, RUN_DIR_VARIABLE, Job
from ml_jobs.runtime.platforms import Node

log = logging.getLogger("ml_jobs.entry")

RANK = (sys.executable, "-m", "ml_jobs.entry.rank")


def train(env: Mapping[str, str]) -> int:
    """Run this node's share of the job that SKYWRIGHT_JOB names; the exit code of its ranks together.

    Raises SkywrightError, after the platform was told, for what is wrong before a rank starts.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s node %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_PREEMPTED))  # until the ranks hear it themselves
    base = conventions.root(env)
    node = environment.node(env, base)
    if node.has_ranks:  # this process is one of them
        from ml_jobs.runtime.main import main

        return main()
    convention = conventions.of(node.platform)
    try:
        job = environment.job(env)
        contract = environment.contract(env)
        spec = adjusted(job.spec, convention, base)
        folder = _scratch(env, job)
        events = folder / "events.jsonl"
        seen = events.stat().st_size if events.exists() else 0
        environments = rank_environments(
            env, node, spec, job, contract, folder=folder, interface=conventions.network(convention, base)
        )
        _write(folder, spec, job, contract)
    except SkywrightError as error:
        conventions.tell_failure(convention, base, str(error))
        raise
    codes = Gang(RANK, environments, grace_s=GRACE_S).run()
    code = verdict(codes.values())
    if code not in (0, EXIT_PREEMPTED):
        why = reason(_new(events, seen), codes)
        log.error("%s", why)
        conventions.tell_failure(convention, base, why)
    if code == 0 and node.index == 0 and (url := conventions.model_url(convention, base, env)):
        hand_over(_new(events, seen), spec, job.id, contract, url)
    return code


def adjusted(spec: JobSpec, convention: conventions.Convention, base: Path) -> JobSpec:
    """The spec with what the platform's own forms say over it: hyperparameters over params, channels over inputs."""
    given = conventions.hyperparameters(convention, base)
    mounted = conventions.channels(convention, base)
    try:
        params = jobs.params([f"{name}={value}" for name, value in given.items()], spec.params)
    except UserError as error:
        raise UserError(f"hyperparameters.json: {error.what.removeprefix('--param ')}", error.remedy) from None
    inputs = [{**known.model_dump(by_alias=True), "url": mounted.get(known.name, known.url)} for known in spec.inputs]
    return jobs.adjusted(spec, params=params, inputs=inputs)


def rank_environments(
    env: Mapping[str, str],
    node: Node,
    spec: JobSpec,
    job: Job,
    contract: StackContract,
    *,
    folder: Path,
    interface: str | None = None,
) -> list[dict[str, str]]:
    """The environment of each rank of this node: torchrun's variables and ours over the node's own."""
    per_node = spec.resources.count
    notice_s = next((pool.notice_s for pool in contract.pools if pool.name == job.pool and pool.notice_s), None)
    shared = {
        "OMP_NUM_THREADS": "1",
        **({NOTICE_VARIABLE: f"{notice_s:g}"} if notice_s else {}),
        **({"GLOO_SOCKET_IFNAME": interface, "NCCL_SOCKET_IFNAME": interface} if interface and node.nodes > 1 else {}),
        **env,
        **spec.env,
        "WORLD_SIZE": str(node.nodes * per_node),
        "LOCAL_WORLD_SIZE": str(per_node),
        "GROUP_RANK": str(node.index),
        "MASTER_ADDR": node.master_addr,
        "MASTER_PORT": str(node.master_port or _free_port()),
        "TORCHELASTIC_RUN_ID": job.id,
        "TORCHELASTIC_RESTART_COUNT": str(job.attempt or 0),
        JOB_VARIABLE: str(folder / "job.json"),
        CONTRACT_VARIABLE: str(folder / "contract.json"),
        RUN_DIR_VARIABLE: str(folder),
    }
    return [
        {**shared, "RANK": str(node.index * per_node + local), "LOCAL_RANK": str(local)} for local in range(per_node)
    ]


def reason(events: list[dict[str, Any]], codes: Mapping[int, int]) -> str:
    """Why the job failed: what the rank that failed first has told, else how it ended."""
    told = next((event for event in events if event.get("type") == "failed" and event.get("message")), None)
    if told:
        return str(told["message"])
    rank, code = next((rank, code) for rank, code in codes.items() if code not in (0, EXIT_PREEMPTED))
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"local rank {rank} {how} and told no reason: see its log"


def hand_over(events: list[dict[str, Any]], spec: JobSpec, run: str, contract: StackContract, url: str) -> None:
    """Copy the artifact that the run registered to where the platform takes a model from.

    The registered one stands whatever happens here: a copy that fails is told, and fails no job.
    """
    from ml_jobs.runtime.storage import Folder

    if spec.output is None or not any(event.get("type") == "registered" for event in events):
        return
    source = Folder(f"{contract.storage.artifacts}/models/{spec.output}/{run}")
    parent, _, name = url.rpartition("/")
    try:
        files = {path: source.read(path) for path in source.names()}
        if url.startswith("file://"):  # a mount: it can't be renamed over
            for path, data in files.items():
                (Path(url.removeprefix("file://")) / path).write_bytes(data)
        else:
            Folder(parent).publish(name, files, last="model.json")
    except (OSError, SkywrightError) as error:
        log.warning("the model was not copied to %s: %s", url, error)


def _scratch(env: Mapping[str, str], job: Job) -> Path:
    """A folder of this machine that ranks write to; the job's own file may lie where nobody can write."""
    folder = Path(env.get(RUN_DIR_VARIABLE) or Path(tempfile.gettempdir()) / "skywright" / job.id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(None, "no right to write", str(folder))
    except OSError as error:
        raise SkywrightError(
            f"the run's folder {folder} can't be made: {error.strerror}", f"Name another with {RUN_DIR_VARIABLE}."
        ) from None
    return folder


def _write(folder: Path, spec: JobSpec, job: Job, contract: StackContract) -> None:
    """The job and its contract for the ranks, read once from where they lie."""
    from ml_jobs.runtime.storage import write_atomic

    data = {**spec.model_dump(mode="json", by_alias=True), "job": {"id": job.id, **job.origin}}
    write_atomic(folder / "job.json", json.dumps(data, indent=1).encode())
    write_atomic(folder / "contract.json", contract.model_dump_json(indent=1).encode())


def _new(events: Path, seen: int) -> list[dict[str, Any]]:
    """What the ranks of this attempt have added to the time line on this machine."""
    try:
        lines = events.read_bytes()[seen:].splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
