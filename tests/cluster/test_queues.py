"""Queues and quotas of the example stacks, with jobs that run to their end: judged by Kueue and JobSet."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.rehearsal.kubernetes import whole
from infra.rehearsal.kubernetes.api import Refused
from infra.settings import from_file
from tests.cluster.lab import GPU, NODES, RECOMMENDATIONS, RESEARCH, Lab, jobset, until
from tests.graph.harness import STACKS, declare
from tests.rehearsal.declared_objects import bodies

pytestmark = pytest.mark.cluster


def objects_of(stack: str) -> list[dict[str, Any]]:
    return bodies(declare(from_file(STACKS / f"Pulumi.{stack}.yaml")))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    declared = objects_of("kubernetes-prod")
    queues = ("Namespace", "ResourceFlavor", "ClusterQueue", "LocalQueue", "WorkloadPriorityClass", "LimitRange")
    declared += [body for body in objects_of("kubernetes-dev") if body["kind"] in queues]
    with whole.cluster(tmp_path_factory.mktemp("cluster"), NODES) as running:
        yield Lab(running, declared)


@pytest.fixture(autouse=True)
def _all_is_let_go(lab: Lab) -> Iterator[None]:
    yield
    lab.spend(0)


@pytest.mark.parametrize(
    ("namespace", "queue", "pods", "gpus", "node"),
    [
        (RECOMMENDATIONS, "spot", 2, 8, "a100-"),
        (RESEARCH, "spot", 1, 8, "a100-"),
        (RESEARCH, "on-demand", 1, 1, "l4-"),
        (RECOMMENDATIONS, "on-demand", 4, 0, "cpu-"),
        ("skywright-team-default", "spot", 4, 1, "dev-"),
    ],
)
def test_a_teams_job_runs_to_its_end_on_the_nodes_of_its_queue(
    lab: Lab, namespace: str, queue: str, pods: int, gpus: int, node: str
) -> None:
    stack = "skywright-kubernetes-dev" if namespace.endswith("default") else "skywright-kubernetes-prod"
    job = lab.submit(jobset(f"train-{queue}", namespace, queue, pods=pods, gpus=gpus, stack=stack))
    until(lambda: lab.is_done(job), "the job completes")
    placed = [pod["spec"]["nodeName"] for pod in lab.pods(job)]
    assert len(placed) == pods
    assert all(name.startswith(node) for name in placed)
    lab.remove(job)


@pytest.mark.parametrize(
    ("namespace", "pods", "why"),
    [
        (RECOMMENDATIONS, 5, rf"insufficient quota for {GPU} in flavor .*spot-gpu"),
        (RESEARCH, 2, rf"insufficient quota for {GPU} in flavor .*spot-gpu"),
    ],
)
def test_a_job_beyond_what_its_team_may_ever_have_waits_and_kueue_says_why(
    lab: Lab, namespace: str, pods: int, why: str
) -> None:
    """Recommendations may borrow all of the 32 accelerators; research nothing beyond its 8."""

    job = lab.submit(jobset("greedy", namespace, "spot", pods=pods))
    until(lambda: re.search(why, lab.told(job)), "Kueue says why")
    assert lab.is_suspended(job)
    assert lab.pods(job) == []
    lab.remove(job)


def test_a_team_borrows_what_is_idle_and_gives_it_back_when_its_owner_comes(lab: Lab) -> None:
    borrower = lab.submit(jobset("borrower", RECOMMENDATIONS, "spot", pods=4, runs_on=True))
    until(
        lambda: len(lab.pods(borrower)) == 4 and not lab.is_suspended(borrower), "all 32 are in use, 8 of them borrowed"
    )
    owner = lab.submit(jobset("owner", RESEARCH, "spot", pods=1))
    until(lambda: lab.is_done(owner), "the owner's job takes its own back and completes")
    assert "reclamation within the cohort" in lab.told(borrower, "Evicted") + lab.told(borrower, "Preempted")
    until(lambda: len(lab.pods(borrower)) == 4 and not lab.is_suspended(borrower), "the borrower starts again")
    lab.remove(borrower, owner)


def test_a_job_of_high_priority_goes_before_one_of_low_priority(lab: Lab) -> None:
    low = lab.submit(jobset("low", RESEARCH, "spot", priority="low", runs_on=True))
    until(lambda: len(lab.pods(low)) == 1, "the low one runs")
    waiting = lab.submit(jobset("same", RESEARCH, "spot", priority="low"))
    until(lambda: "insufficient" in lab.told(waiting), "one of the same priority waits")
    high = lab.submit(jobset("high", RESEARCH, "spot", priority="high"))
    until(lambda: lab.is_done(high), "the high one completes")
    assert "prioritization" in lab.told(low, "Preempted")
    lab.remove(low, waiting, high)


def test_the_budget_holds_new_jobs_then_stops_spot_ones_and_lets_them_go(lab: Lab) -> None:
    running = lab.submit(jobset("running", RECOMMENDATIONS, "spot", runs_on=True))
    steady = lab.submit(jobset("steady", RECOMMENDATIONS, "on-demand", gpus=1, runs_on=True))
    until(lambda: lab.pods(running) and lab.pods(steady), "both run")

    lab.spend(0.92 * 12_000)
    late = lab.submit(jobset("late", RECOMMENDATIONS, "spot"))
    until(lambda: re.search("is (inactive|stopped)", lab.told(late)), "a new one waits, and Kueue says why")
    assert lab.is_suspended(late)
    assert not lab.is_suspended(running), "what runs may end"

    lab.spend(1.01 * 12_000)
    until(lambda: lab.is_suspended(running) and not lab.pods(running), "spot jobs stop")
    assert not lab.is_suspended(steady), "on-demand ones stay"
    assert len(lab.pods(steady)) == 1

    lab.spend(0.1 * 12_000)
    until(lambda: lab.is_done(late) and lab.pods(running), "a new month: all go on")
    lab.remove(running, steady, late)


def test_a_pod_that_may_do_more_than_a_job_needs_is_not_let_in(lab: Lab) -> None:
    body = jobset("root", RECOMMENDATIONS, "spot")
    template = body["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    template["spec"]["securityContext"] = {}
    job = lab.submit(body)
    until(lambda: not lab.is_suspended(job), "it is admitted")
    until(lambda: _refused_pods(lab, job), "no pod of it is made, by the namespace's pod security")
    assert lab.pods(job) == []
    lab.remove(job)


def _refused_pods(lab: Lab, job: object) -> bool:
    events = lab.api.list("v1", "Event", namespace=RECOMMENDATIONS)
    return any('violates PodSecurity "restricted' in (each.get("message") or "") for each in events)


def test_a_wrong_job_is_refused_by_the_operators_own_webhooks(lab: Lab) -> None:
    body = jobset("wrong", RECOMMENDATIONS, "spot")
    body["spec"]["successPolicy"] = {"operator": "All", "targetReplicatedJobs": ["others"]}
    with pytest.raises(Refused, match=r'admission webhook "vjobset\.kb\.io" denied the request|does not appear'):
        lab.submit(body)
