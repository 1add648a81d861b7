"""Vertex AI's accelerators and vCPUs for training and serving: quotas of its own, apart from Compute Engine's."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.quotas import coded, machines
from policies.graph import Graph, Node
from policies.quota.counting import guarded, text, unknown
from policies.quota.gcp_compute import Machines
from policies.quota.model import Demand, of_quota
from policies.quota.pools import Pool, pools_of, replicas_of, runtime_of, whole

TRAINING = "skywright:gcp:TrainingCluster"
SERVING = "skywright:gcp:ModelEndpoint"
DEPLOYMENTS = "pulumi-python:dynamic/gcp:VertexDeployments"

UNRELEASED = "nothing is released yet: one release at its largest is counted"
BY_PATTERN = "named as its siblings are"
NO_NAME = "the sources name no such quota"
TRAINING_CPUS = {"N1": "custom_model_training_cpus", "E2": "custom_model_training_cpus",
                 "C2": "custom_model_training_c2_cpus"}  # fmt: skip


def training(graph: Graph, region: str | None) -> Iterator[Demand]:
    """Jobs are submitted, not declared: every pool full at once."""

    def pools(node: Node) -> Iterator[Demand]:
        if runtime_of(node) == "managed":
            for pool in pools_of(node, "gcp", region):
                yield from _of_pool(pool, "training")

    yield from guarded(graph.of(TRAINING), pools, "gcp", "vertex-ai", "accelerators or vCPUs of training")


def endpoints(graph: Graph, region: str | None) -> Iterator[Demand]:
    """Deployed releases as they are declared; else what the neutral spec would make for one."""
    deployed = graph.of(DEPLOYMENTS)
    what = "accelerators or vCPUs of serving"
    yield from guarded(deployed, _deployed, "gcp", "vertex-ai", what)
    if not deployed:

        def neutral(node: Node) -> Iterator[Demand]:
            if runtime_of(node) == "managed":
                yield from _of_pool(replicas_of(node, "gcp", region), "serving", UNRELEASED)

        yield from guarded(graph.of(SERVING), neutral, "gcp", "vertex-ai", what)


def _of_pool(pool: Pool, use: str, note: str = "") -> Iterator[Demand]:
    if not pool.machines:
        yield unknown("gcp", "vertex-ai", f"accelerators or vCPUs of {use}", pool.resource, pool.note)
        return
    best = pool.machines[0]
    yield from _needs(
        Machines(
            pool.resource, best.name, pool.count, pool.is_spot, best.accelerator or "", pool.accelerators, note=note
        ),
        use,
    )


def _deployed(node: Node) -> Iterator[Demand]:
    hardware = node.mapping("hardware")
    count = whole(hardware.number("max_replicas")) * sum(1 for _ in node.mapping("releases").mappings())
    kind = hardware.get("accelerator_type") or ""
    gpus = whole(hardware.number("accelerator_count")) if kind else 0
    is_spot = hardware.get("is_spot") is True
    made = Machines(node.resource.name, text(hardware, "machine_type"), count, is_spot, str(kind), gpus)
    if count:
        yield from _needs(made, "serving")


def _needs(made: Machines, use: str) -> Iterator[Demand]:
    if made.gpus:
        yield _gpus(made, use)
    yield _vcpus(made, use)


def _gpus(made: Machines, use: str) -> Demand:
    total = made.gpus * made.count
    if (model := machines.gcp_gpu(made.gpu)) is None:
        return unknown(
            "gcp", "vertex-ai", f"{use} accelerators of an unknown model", made.resource, f"{made.gpu} isn't known",
            unit="GPUs",
        )  # fmt: skip
    short = model.removeprefix("NVIDIA_").replace("_", "")
    spot = "Preemptible" if made.is_spot else ""
    codes = (
        f"custom_model_{use}_{'preemptible_' if made.is_spot else ''}{model.lower()}_gpus",
        f"CustomModel{use.capitalize()}{spot}{short}GPUsPerProjectPerRegion",
    )
    known = next((quota for code in codes if (quota := coded("gcp", "vertex-ai", code))), None)
    note = made.note if known else "; ".join(filter(None, (made.note, BY_PATTERN)))
    return of_quota(
        "gcp", "vertex-ai", known.name if known else codes[1], total, made.resource, unit="GPUs",
        code="" if known else codes[1], note=note,
    )  # fmt: skip


def _vcpus(made: Machines, use: str) -> Demand:
    family, each = machines.gcp_family(made.machine), machines.vcpus("gcp", made.machine)
    needed = None if each is None else each * made.count
    notes = [made.note, "" if each is not None else f"the vCPUs of {made.machine} are not known"]
    code = TRAINING_CPUS.get(family or "") if use == "training" and not made.is_spot else None
    if known := coded("gcp", "vertex-ai", code or ""):
        name = known.name
    else:
        name = f"custom model {use} vCPUs of {'spot ' if made.is_spot else ''}{family or made.machine} machines"
        notes.append(NO_NAME)
    return of_quota("gcp", "vertex-ai", name, needed, made.resource, unit="vCPU", note="; ".join(filter(None, notes)))
