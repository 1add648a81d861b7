"""Which node of a job this is, and where its ranks meet the others: a table of platforms, first match wins.

A new platform is one more row of NODES: what gives it away, and a reader of its variables and files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalog.errors import UserError, did_you_mean, mistake

PLATFORM_VARIABLE = "SKYWRIGHT_PLATFORM"
"""A row of NODES by name, where its own variables would not give it away."""
NODES_VARIABLE = "SKYWRIGHT_NODES"

MASTER_PORT = 29500
"""torchrun's default: where rank 0 listens on platforms that name no port."""


def integer(env: Mapping[str, str], name: str, default: int | None = None) -> int:
    value = env.get(name, "")
    if not value and default is not None:
        return default
    try:
        return int(value)
    except ValueError:
        raise mistake(name, value, "a whole number", "Start the ranks with torchrun or `skywright train`.") from None


@dataclass(frozen=True, slots=True)
class Node:
    """One instance among those of a job: where its ranks are to meet the others.

    `master_port` is None where the one node may take any free port. `has_ranks`: the platform itself has started one
    process for each rank, this one among them, with torchrun's variables; nothing more is to be started.
    """

    platform: str
    index: int = 0
    nodes: int = 1
    master_addr: str = "127.0.0.1"
    master_port: int | None = None
    has_ranks: bool = False

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise mistake(f"number of nodes ({self.platform})", self.nodes, "1 or more")
        if not 0 <= self.index < self.nodes:
            raise mistake(f"index of this node ({self.platform})", self.index, f"0 to {self.nodes - 1}")


def _kubernetes(env: Mapping[str, str], root: Path) -> Node:
    """An indexed Job (https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode)."""
    nodes = integer(env, NODES_VARIABLE, 1)
    if nodes > 1 and not env.get("MASTER_ADDR"):
        raise UserError("MASTER_ADDR is not set, and there is more than one node", "Submit with `skywright train`.")
    return _node("kubernetes", integer(env, "JOB_COMPLETION_INDEX", 0), nodes, env.get("MASTER_ADDR", ""), env)


SAGEMAKER_FILE = "opt/ml/input/config/resourceconfig.json"


def _sagemaker(env: Mapping[str, str], root: Path) -> Node:
    """Hosts in order, the first is the master
    (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html).
    """
    path = root / SAGEMAKER_FILE
    if path.exists():
        config = _parsed(_text(path), str(path))
        hosts, current = config.get("hosts"), config.get("current_host")
    else:
        hosts, current = _parsed(f'{{"hosts": {env.get("SM_HOSTS") or "null"}}}', "SM_HOSTS").get("hosts"), None
        current = env.get("SM_CURRENT_HOST")
    if not isinstance(hosts, list) or current not in hosts:
        raise mistake("current_host (sagemaker)", current, f"one of the hosts {hosts}")
    return _node("sagemaker", hosts.index(current), len(hosts), hosts[0], env)


def _vertex(env: Mapping[str, str], root: Path) -> Node:
    """Worker pools in order; the one replica of the first is the master
    (https://cloud.google.com/vertex-ai/docs/training/distributed-training#cluster-variables).
    """
    given = _parsed(env.get("CLUSTER_SPEC") or env.get("TF_CONFIG") or "{}", "CLUSTER_SPEC")
    cluster, task = given.get("cluster"), given.get("task")
    if not cluster or not isinstance(task, dict):
        return _node("vertex", 0, 1, "", env)
    if not isinstance(cluster, dict) or not all(isinstance(members, list) for members in cluster.values()):
        raise mistake("CLUSTER_SPEC.cluster", cluster, "an object of worker pools, each a list of addresses")
    order = {"chief": 0, "master": 0}
    pools = sorted(cluster, key=lambda name: (order.get(name, 1), name))
    members = [(pool, index, str(address)) for pool in pools for index, address in enumerate(cluster[pool])]
    me = (task.get("type"), task.get("index"))
    place = next((at for at, (pool, index, _) in enumerate(members) if me == (pool, index)), None)
    if place is None:
        raise mistake("CLUSTER_SPEC.task", task, f"a replica of {', '.join(pools)}")
    master, _, port = members[0][2].partition(":")
    return _node("vertex", place, len(members), master, {**env, "MASTER_PORT": port or env.get("MASTER_PORT", "")})


def _azureml(env: Mapping[str, str], root: Path) -> Node:
    """Its PyTorch distribution starts one process or one for each rank on each node
    (https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu#pytorch).
    """
    world_size = integer(env, "WORLD_SIZE", 1)
    nodes = integer(env, NODES_VARIABLE, integer(env, "AZUREML_NODE_COUNT", world_size))
    found = _node("azureml", integer(env, "NODE_RANK", 0), nodes, env.get("MASTER_ADDR", ""), env)
    return replace(found, has_ranks=world_size > nodes)


def _alone(env: Mapping[str, str], root: Path) -> Node:
    return Node("alone")


def _node(platform: str, index: int, nodes: int, master: str, env: Mapping[str, str]) -> Node:
    if nodes == 1:
        return Node(platform, index)
    return Node(platform, index, nodes, master, integer(env, "MASTER_PORT", MASTER_PORT))


@dataclass(frozen=True, slots=True)
class Platform:
    """A row of NODES: it is this platform when one of its variables is set or its file is there."""

    name: str
    variables: tuple[str, ...]
    read: Callable[[Mapping[str, str], Path], Node]
    file: str | None = None


NODES: tuple[Platform, ...] = (
    Platform("kubernetes", ("JOB_COMPLETION_INDEX",), _kubernetes),
    Platform("sagemaker", ("SM_HOSTS",), _sagemaker, SAGEMAKER_FILE),
    Platform("vertex", ("CLUSTER_SPEC", "CLOUD_ML_JOB_ID"), _vertex),
    Platform("azureml", ("AZUREML_RUN_ID",), _azureml),
    Platform("alone", (), _alone),
)


def node(env: Mapping[str, str] = os.environ, root: str | Path = "/") -> Node:
    """The node that this process stands on, for what starts its ranks. `root`: where the platform's files begin.

    Raises UserError in one line for a platform that is unknown or whose variables contradict each other.
    """
    base = Path(root)
    if named := env.get(PLATFORM_VARIABLE):
        rows = [row for row in NODES if row.name == named]
        if not rows:
            names = [row.name for row in NODES]
            raise mistake(PLATFORM_VARIABLE, named, ", ".join(names), did_you_mean(named, names))
        return rows[0].read(env, base)
    return next(
        row
        for row in NODES
        if row.name == "alone"
        or any(env.get(name) for name in row.variables)
        or (row.file is not None and (base / row.file).exists())
    ).read(env, base)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"{where} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise mistake(where, found, "an object")
    return found
