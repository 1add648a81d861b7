"""One node of a job as a pod: what it may do, may use, is told and can reach. Pure."""

from __future__ import annotations

import math
import re
from typing import Any

from catalog.errors import UserError, mistake
from catalog.instances import candidates
from ml_jobs.contract import CONTRACT_VARIABLE, JobSpec, Pool, StackContract
from ml_jobs.launch.base import Origin
from ml_jobs.launch.records import ATTEMPT_VARIABLE, RUN_URL_VARIABLE, runs_url
from ml_jobs.runtime.environment import (
    DEFAULT_NOTICE_S,
    JOB_VARIABLE,
    NOTICE_VARIABLE,
    POOL_VARIABLE,
    RUN_DIR_VARIABLE,
    RUN_ID_VARIABLE,
)
from ml_jobs.runtime.platforms import MASTER_PORT, NODES_VARIABLE, PLATFORM_VARIABLE

CONTAINER = "train"
WORKERS = "w"
"""The one replicated job. The longest run's name leaves it one letter: a pod's host name has 63 characters."""
SERVICE_ACCOUNT = "training"
"""In each team's namespace (components.kubernetes.identity)."""
USER = 10_001
CONFIG, RUN_DIR, TMP = "/etc/skywright", "/run/skywright", "/tmp"
CLAIMS = "/mnt/skywright"
"""Below it lie a team's claims, `data` and `checkpoints` (components.kubernetes.volumes)."""
METRICS_PORT = 9090
GPU = "nvidia.com/gpu"
POOL_LABEL = "skywright.dev/pool"
"""Of the nodes of a pool that a cloud's component makes (components.kubernetes.flavors)."""

CPU_SHARE = 0.75
"""Of what a rank may use, so much is reserved for it: a node keeps some of its cores for itself."""
GIB_PER_CPU = 2
"""What the leanest class of instances has."""
CPUS_PER_DEVICE, GIB_PER_DEVICE = 3, 8
"""Fits beside an accelerator on the smallest machines that have one (4 vCPUs and 16 GiB, less the node's own)."""
MOST_CPUS_PER_DEVICE, MOST_GIB_PER_DEVICE = 16, 14
"""Limits where the machine is not known. Memory's lies below the node's, so that a leak ends its own container alone:
a node that runs out evicts pods, which would count as a preemption."""

SECRET_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
SECRET_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")

PLAIN = {
    "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
CONFINED = {
    "allowPrivilegeEscalation": False, "privileged": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


def pod(job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, *, name: str) -> dict[str, Any]:
    """A pod's spec, admitted where pods must be restricted; `name` is the JobSet's and the ConfigMap's.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    amounts = resources(job, stack, pool)
    volumes = _volumes(stack, name, amounts["limits"]["memory"])
    container = {
        "name": CONTAINER,
        "image": job.image,
        "command": ["python", "-m", "ml_jobs.entry", "train"],
        "env": environment(job, stack, origin, pool, name=name),
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT}, {"name": "ranks", "containerPort": MASTER_PORT}],
        "resources": amounts,
        "securityContext": CONFINED,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": volume["name"], "mountPath": path, **({"readOnly": True} if path == CONFIG else {})}
            for path, volume in volumes.items()
        ],
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": math.ceil(notice_s(pool)),
        "securityContext": PLAIN,
        "containers": [container],
        "volumes": list(volumes.values()),
        **_placement(job, stack, pool),
    }


def notice_s(pool: Pool) -> float:
    """From SIGTERM to SIGKILL: the pool's notice; what Kubernetes gives by itself where a pool knows none."""
    return pool.notice_s or DEFAULT_NOTICE_S


def environment(job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, *, name: str) -> list[dict[str, Any]]:
    """The job's variables, then its secrets, then ours, which the job's can't replace."""
    secrets = {variable: _secret(variable, reference) for variable, reference in job.secret_refs.items()}
    ours = {
        PLATFORM_VARIABLE: "kubernetes",
        NODES_VARIABLE: str(job.resources.nodes),
        "MASTER_ADDR": f"{name}-{WORKERS}-0-0.{name}",  # the first pod's host name, of the JobSet's headless service
        "MASTER_PORT": str(MASTER_PORT),
        JOB_VARIABLE: f"{CONFIG}/job.json",
        CONTRACT_VARIABLE: f"{CONFIG}/contract.json",
        RUN_ID_VARIABLE: origin.run,
        RUN_DIR_VARIABLE: RUN_DIR,
        NOTICE_VARIABLE: f"{notice_s(pool):g}",
        POOL_VARIABLE: pool.name,
        "HOME": TMP,
    }
    if has_store(stack):
        ours[RUN_URL_VARIABLE] = f"{runs_url(stack)}/{origin.run}"
    attempt = {"fieldRef": {"fieldPath": "metadata.labels['jobset.sigs.k8s.io/restart-attempt']"}}
    plain = {variable: text.replace("$", "$$") for variable, text in job.env.items()}  # $(X) would be expanded
    merged: dict[str, Any] = {
        **{variable: {"value": text} for variable, text in plain.items()},
        **{variable: {"valueFrom": source} for variable, source in secrets.items()},
        **{variable: {"value": text} for variable, text in ours.items()},
        ATTEMPT_VARIABLE: {"valueFrom": attempt},
    }
    return [{"name": variable, **given} for variable, given in merged.items()]


def has_store(stack: StackContract) -> bool:
    """True where artifacts lie in an object store: one inside of the cluster is not reached from outside of it."""
    return stack.storage.artifacts.split("://", 1)[0] not in ("http", "https", "file")


def resources(job: JobSpec, stack: StackContract, pool: Pool) -> dict[str, dict[str, Any]]:
    """Requests and limits of cores, memory and devices: all that the queues count, and nothing else."""
    count = job.resources.count
    if job.resources.accelerator is None:
        cores = count * job.resources.cpu
        if stack.cloud != "kubernetes" and cores > pool.count:
            raise UserError(
                f"job {job.name} asks for {count} ranks of {job.resources.cpu:g} cores on a node; pool {pool.name} has "
                f"{pool.count} cores",
                "Ask for fewer ranks on more nodes: --ranks, --nodes.",
            )
        gib = max(1.0 * count, GIB_PER_CPU * CPU_SHARE * cores)
        return _amounts(CPU_SHARE * cores, cores, gib, max(2.0 * count, GIB_PER_CPU * cores), 0)
    most_cpus, most_gib = _share(pool, stack, count)
    return _amounts(CPUS_PER_DEVICE * count, most_cpus, GIB_PER_DEVICE * count, most_gib, count)


def _amounts(cpus: float, most_cpus: float, gib: float, most_gib: float, devices: int) -> dict[str, dict[str, Any]]:
    def told(cores: float, memory: float) -> dict[str, Any]:
        amounts: dict[str, Any] = {"cpu": f"{math.ceil(cores * 1000)}m", "memory": f"{math.ceil(memory * 1024)}Mi"}
        return amounts | ({GPU: devices} if devices else {})

    return {"requests": told(cpus, gib), "limits": told(most_cpus, most_gib)}


def _share(pool: Pool, stack: StackContract, count: int) -> tuple[float, float]:
    """(cores, GiB) that `count` of a node's devices may use; of the smallest machine that the pool may be made of."""
    try:
        assert pool.accelerator is not None
        machines = candidates(
            stack.cloud, stack.region, runtime="kubernetes", accelerator=pool.accelerator, count=pool.count
        )
    except UserError:  # a cluster that was brought: its machines are nobody's catalogue
        return MOST_CPUS_PER_DEVICE * count, MOST_GIB_PER_DEVICE * count
    part = count / pool.count
    cpus, gib = min(each.vcpus for each in machines), min(each.memory_gib for each in machines)
    return max(cpus * part, CPUS_PER_DEVICE * count), max(0.8 * gib * part, GIB_PER_DEVICE * count)


def _placement(job: JobSpec, stack: StackContract, pool: Pool) -> dict[str, Any]:
    """Which nodes it may run on; taints and spot are the flavor's, whose tolerations Kueue adds as it admits the job.

    On a cloud's cluster the pool's. On one that was brought any that fit: its queue may lead to other accelerators too,
    and Kueue takes the first flavor whose labels agree with what is asked here.
    https://kueue.sigs.k8s.io/docs/concepts/resource_flavor/#resourceflavor-labels
    """
    if stack.cloud != "kubernetes":
        return {"nodeSelector": {POOL_LABEL: pool.name}}
    asked = job.resources
    reached = [each for each in stack.pools if asked.accelerator and each.accelerator and each.is_spot == pool.is_spot]
    fitting = [each for each in reached if each.accelerator == asked.accelerator and each.count >= asked.count]
    others = [each for each in reached if each not in fitting]
    if not others:
        return {}
    for other in others:
        if any(each.node_labels.items() <= other.node_labels.items() for each in fitting):
            raise UserError(
                f"job {job.name} asks for {asked.count} {asked.accelerator}; its queue leads to {other.count} "
                f"{other.accelerator} of pool {other.name} as well, and no label tells their nodes apart",
                "Give each pool labels of its own in skywright:kubernetes.pools (node_labels), and bring the stack up.",
            )
    terms = [
        {"matchExpressions": [{"key": key, "operator": "In", "values": [value]} for key, value in labels]}
        for labels in (sorted(each.node_labels.items()) for each in fitting)
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"affinity": {"nodeAffinity": required}}


def identity_labels(stack: StackContract) -> dict[str, str]:
    """Labels of a pod by which a cloud hands its credentials to it (components.azure.workloads)."""
    return {"azure.workload.identity/use": "true"} if stack.cloud == "azure" else {}


def _volumes(stack: StackContract, name: str, memory: str) -> dict[str, dict[str, Any]]:
    """Mount path -> volume. The root is read-only; /dev/shm is memory of the container, by default 64 MiB."""
    shm = f"{int(memory.removesuffix('Mi')) // 2}Mi"
    found: dict[str, dict[str, Any]] = {
        CONFIG: {"name": "config", "configMap": {"name": name}},
        RUN_DIR: {"name": "run", "emptyDir": {}},
        TMP: {"name": "tmp", "emptyDir": {}},
        "/dev/shm": {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": shm}},
    }
    for role in ("data", "checkpoints", "artifacts"):
        url = getattr(stack.storage, role)
        if url.split("://", 1)[0] != "file":
            continue
        path = url.removeprefix("file://")
        if role == "artifacts" or path != f"{CLAIMS}/{role}":
            raise UserError(
                f"storage.{role} of stack {stack.stack} is {url}, which no pod may mount",
                "Set skywright:kubernetes.storage_url to an object store, or leave it out for claims of the cluster.",
            )
        found[path] = {"name": role, "persistentVolumeClaim": {"claimName": role}}
    return found


def _secret(variable: str, reference: str) -> dict[str, Any]:
    """`SECRET` or `SECRET#KEY` in the team's namespace; the key is the variable's name by default."""
    name, _, key = reference.removeprefix("k8s://secrets/").partition("#")
    if not SECRET_NAME.fullmatch(name) or not SECRET_KEY.fullmatch(key or variable):
        raise mistake(
            f"secret_refs.{variable}",
            reference,
            "SECRET or SECRET#KEY, a secret of the team's namespace and a key of it",
        )
    return {"secretKeyRef": {"name": name, "key": key or variable}}
