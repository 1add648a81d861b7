"""What a rank starts with: its variables, the stack's contract, the secrets that its job names."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from catalog.errors import UserError
from ml_jobs.contract import JobSpec
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.scheduler.settings import SchedulerSettings


def rank_environment(
    base: dict[str, str],
    spec: JobSpec,
    *,
    job: str,
    attempt: int,
    rank: int,
    pool: str,
    port: int,
    notice_s: float,
    run_dir: str,
) -> dict[str, str]:
    """torchrun's variables and ours for one rank, over `base`. The job's own `env` can't replace them."""
    per_node = spec.resources.count
    return {
        **base,
        **spec.env,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank % per_node),
        "WORLD_SIZE": str(spec.resources.world_size),
        "LOCAL_WORLD_SIZE": str(per_node),
        "GROUP_RANK": str(rank // per_node),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": job,
        "TORCHELASTIC_RESTART_COUNT": str(attempt - 1),
        "OMP_NUM_THREADS": "1",
        "SKYWRIGHT_JOB": f"{run_dir}/job.json",
        "SKYWRIGHT_CONTRACT": f"{run_dir}/contract.json",
        "SKYWRIGHT_RUN_ID": job,
        "SKYWRIGHT_RUN_DIR": run_dir,
        "SKYWRIGHT_NOTICE_S": f"{notice_s:g}",
        "SKYWRIGHT_POOL": pool,
    }


def contract_of(config: ServiceConfig, settings: SchedulerSettings) -> dict[str, Any]:
    """The contract for a job that was submitted without one: what this process's own config says of the stack."""
    root = f"file://{config.root}"

    def token(role: str) -> str:
        return f"{root}/identity/tokens/{role}.token"

    return {
        "version": 1,
        "stack": config.stack,
        "environment": config.environment,
        "cloud": "local",
        "identities": {
            "training": f"file://{config.token_file}" if config.token_file else token("trainer"),
            "serving": token("server"),
            "pipeline": token("trainer"),
            "approver": token("approver"),
        },
        "storage": {
            "data": f"{root}/data",
            "artifacts": config.artifacts_url,
            "checkpoints": f"{root}/checkpoints",
        },
        "registry": {"tracking_url": config.peers.get("registry", ""), "models_ref": config.peers.get("registry", "")},
        "pools": [pool.model_dump(mode="json") for pool in settings.pools],
        "queues": [{"name": "default", "ref": f"http://{config.host}:{config.port}"}],
    }


def secrets_of(spec: JobSpec, root: Path) -> dict[str, str]:
    """The values of the secrets that the job names, each a file in the stack's `secrets` folder.

    They go into the ranks' environment and nowhere else. Raises UserError for one that isn't there.
    """
    folder = (root / "secrets").resolve()
    values = {}
    for variable, reference in spec.secret_refs.items():
        path = (folder / reference.removeprefix("file://")).resolve()
        if not path.is_relative_to(folder) or not path.is_file():
            known = sorted(file.name for file in folder.glob("*")) if folder.is_dir() else []
            raise UserError(
                f"secret_refs.{variable} is {reference!r}; this stack has the secrets: {', '.join(known) or 'none'}",
                "Set it as a secret of the stack and bring it up.",
            )
        values[variable] = path.read_text().rstrip("\n")
    return values


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
