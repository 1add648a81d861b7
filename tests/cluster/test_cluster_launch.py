"""Runs sent by the launcher, judged by Kueue, JobSet and Kubernetes' own controllers.

The nodes only pretend (KWOK): no container runs. By its stages a pod succeeds after a moment; one that carries
KEEPS_RUNNING runs until the test writes into its status what a kubelet would: the exit code, or the disruption.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.rehearsal.kubernetes import client, whole
from infra.rehearsal.kubernetes.whole import KEEPS_RUNNING
from infra.settings import from_file
from ml_jobs.contract import JobSpec
from ml_jobs.launch.base import Origin, Run, new_run
from ml_jobs.launch.kubernetes import KubernetesLauncher
from ml_jobs.launch.kubernetes_api import JOBSETS, PODS, Cluster
from tests.cluster.lab import NODES, RECOMMENDATIONS, Lab, until
from tests.graph.harness import STACKS, declare
from tests.ml_jobs.launch.contracts import contract, digits
from tests.rehearsal.declared_objects import bodies

pytestmark = pytest.mark.cluster

TWO_NODES = {"accelerator": "A100-40", "count": 8, "nodes": 2}
ALL_NODES = {**TWO_NODES, "nodes": 4}


class Bench:
    """The example stack's launcher before its cluster, and the kubelets' part."""

    def __init__(self, lab: Lab) -> None:
        stack = contract("kubernetes-prod")
        storage = stack.storage.model_copy(update={"artifacts": "memory://test-launch/artifacts"})
        self.cluster = Cluster(client.connect(lab.server).client)
        self.sender = KubernetesLauncher(stack.model_copy(update={"storage": storage}), cluster=self.cluster)
        self._lab = lab

    def send(self, job: JobSpec, *, runs_on: bool = False, limits: tuple[str, ...] = ("job", "queue")) -> str:
        """`runs_on`: until the test ends its pods. `limits`: whose time limit is kept, the Job's or Kueue's."""
        request = self.sender.render(job, Origin(new_run(job), "ada", time.time()))
        metadata, workers = request["jobset"]["metadata"], request["jobset"]["spec"]["replicatedJobs"][0]["template"]
        if runs_on:
            workers["spec"]["template"]["metadata"]["labels"] |= {KEEPS_RUNNING: "true"}
        if "job" not in limits:
            del workers["spec"]["activeDeadlineSeconds"]
        if "queue" not in limits:
            del metadata["labels"]["kueue.x-k8s.io/max-exec-time-seconds"]
        return self.sender.submit(request)

    def running(self, job: JobSpec) -> str:
        run = self.send(job, runs_on=True)
        self.wait(run, "running")
        until(lambda: len(self.names(run)) == job.resources.nodes, "all its pods run")
        return run

    def wait(self, run: str, state: str) -> Run:
        found: list[Run] = []

        def is_there() -> bool:
            found.append(self.sender.status(run))
            return found[-1].state == state

        try:
            until(is_there, f"{run} is {state}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {found[-1]}") from None
        return found[-1]

    def pods(self, run: str) -> list[dict[str, Any]]:
        return self.cluster.list(PODS, RECOMMENDATIONS, f"skywright.dev/run={run}")

    def names(self, run: str) -> set[str]:
        """Its pods that run."""
        return {
            pod["metadata"]["name"]
            for pod in self.pods(run)
            if pod.get("status", {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")
        }

    def jobset(self, run: str) -> dict[str, Any]:
        found = self.cluster.get(JOBSETS, RECOMMENDATIONS, run)
        assert found is not None
        return found

    def end(self, run: str, index: int, code: int, *, is_disrupted: bool = False, said: str = "") -> None:
        """The container of one pod ends with `code`."""
        marker = "batch.kubernetes.io/job-completion-index"
        pod = next(pod for pod in self.pods(run) if pod["metadata"]["annotations"][marker] == str(index))
        ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "message": said}
        container = {
            "name": "train", "image": "a", "imageID": "a", "ready": False, "restartCount": 0,
            "state": {"terminated": ended},
        }  # fmt: skip
        disruption = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
        status = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [container],
            **({"conditions": [disruption]} if is_disrupted else {}),
        }
        client.connect(self._lab.server).request(
            "patch",
            f"{PODS.path(RECOMMENDATIONS, pod['metadata']['name'])}/status",
            body={"status": status},
            content_type="application/strategic-merge-patch+json",
            serialize=False,
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    declared = bodies(declare(from_file(STACKS / "Pulumi.kubernetes-prod.yaml")))
    with whole.cluster(tmp_path_factory.mktemp("cluster"), NODES) as running:
        yield Bench(Lab(running, declared))


@pytest.fixture(autouse=True)
def _all_runs_are_removed(bench: Bench) -> Iterator[None]:
    yield
    for jobset in bench.cluster.list(JOBSETS, RECOMMENDATIONS):
        bench.cluster.delete(JOBSETS, RECOMMENDATIONS, jobset["metadata"]["name"])
    until(lambda: not bench.cluster.list(JOBSETS, RECOMMENDATIONS), "the cluster is free again")


def asking(**changes: Any) -> JobSpec:
    return digits(team="recommendations", **changes)


@pytest.mark.parametrize(
    ("job", "node"),
    [(asking(resources=TWO_NODES), "a100-"), (asking(), "cpu-"), (asking(resources={"accelerator": "L4"}), "l4-")],
    ids=["spot", "cpu", "on-demand"],
)
def test_a_run_is_admitted_and_completes_on_the_nodes_of_its_pool(bench: Bench, job: JobSpec, node: str) -> None:
    run = bench.send(job)
    found = bench.wait(run, "succeeded")
    assert (found.attempts, found.preemptions, found.failures) == (1, 0, 0)
    assert len(found.slots) == job.resources.nodes
    assert all(name.startswith(node) for name in found.slots)
    assert found.started_at and found.ended_at and found.started_at <= found.ended_at


def test_a_preempted_run_starts_again_as_a_whole_and_loses_none_of_its_retries(bench: Bench) -> None:
    run = bench.running(asking(resources=TWO_NODES, retries={"failure": 0}))
    for preemptions, (code, is_disrupted) in enumerate(((75, False), (137, True)), 1):
        before = bench.names(run)
        bench.end(run, 1, code, is_disrupted=is_disrupted)
        until(lambda before=before: len(bench.names(run) - before) == 2, "both pods are new ones")
        status = bench.jobset(run)["status"]
        assert (status["restarts"], status.get("restartsCountTowardsMax", 0)) == (preemptions, 0)
        found = bench.wait(run, "running")
        assert (found.attempts, found.preemptions, found.failures) == (preemptions + 1, preemptions, 0)
        labels = [pod["metadata"]["labels"] for pod in bench.pods(run) if pod["metadata"]["name"] in bench.names(run)]
        assert {each["jobset.sigs.k8s.io/restart-attempt"] for each in labels} == {str(preemptions)}
    for index in range(2):
        bench.end(run, index, 0)
    assert bench.wait(run, "succeeded").preemptions == 2


def test_a_mistake_in_the_job_ends_it_at_once_with_its_own_words(bench: Bench) -> None:
    run = bench.running(asking(resources=TWO_NODES, retries={"failure": 5}))
    bench.end(run, 0, 78, said="params.width is 0; allowed: 1 to 256.\n")
    found = bench.wait(run, "failed")
    assert (found.exit_code, found.message) == (78, "params.width is 0; allowed: 1 to 256.")
    assert (found.attempts, found.failures) == (1, 1)
    until(lambda: not bench.names(run), "its peer does not go on alone")


def test_a_mistake_counts_as_one_also_where_the_node_goes_with_it(bench: Bench) -> None:
    run = bench.running(asking(resources=TWO_NODES))
    bench.end(run, 0, 78, is_disrupted=True)
    assert bench.wait(run, "failed").exit_code == 78


def test_any_other_failure_restarts_all_as_often_as_the_job_allows(bench: Bench) -> None:
    run = bench.running(asking(resources=TWO_NODES, retries={"failure": 1}))
    before = bench.names(run)
    bench.end(run, 1, 1)
    until(lambda: len(bench.names(run) - before) == 2, "both pods are new ones")
    found = bench.wait(run, "running")
    assert (found.preemptions, found.failures) == (0, 1)
    bench.end(run, 0, 139, said="Segmentation fault")
    found = bench.wait(run, "failed")
    assert (found.exit_code, found.message, found.failures) == (139, "Segmentation fault", 2)


def test_a_run_that_gives_way_to_a_higher_priority_waits_and_comes_back(bench: Bench) -> None:
    low = bench.running(asking(resources=ALL_NODES, priority=-1))
    high = bench.send(asking(resources=TWO_NODES, priority=1), runs_on=True)
    bench.wait(high, "running")
    waiting = bench.wait(low, "queued")
    assert "preempt" in waiting.message.lower()
    for index in range(2):
        bench.end(high, index, 0)
    again = bench.wait(low, "running")
    assert (again.attempts, again.preemptions, again.failures) == (2, 1, 0)


def test_a_run_beyond_the_teams_limits_waits_and_says_for_what(bench: Bench) -> None:
    bench.running(asking(resources=ALL_NODES))
    late = bench.send(asking(resources=TWO_NODES))
    until(lambda: "insufficient" in bench.sender.status(late).message, "Kueue says why")
    assert bench.sender.status(late).state == "queued"
    assert bench.pods(late) == []


@pytest.mark.parametrize(("keeper", "why"), [("job", "DeadlineExceeded"), ("queue", "overran its deadline")])
def test_a_run_ends_when_its_deadline_has_passed(bench: Bench, keeper: str, why: str) -> None:
    """The Job's own limit begins anew with each restart; Kueue's goes on."""
    run = bench.send(asking(resources=TWO_NODES, estimated_work_s=1, deadline_s=3), runs_on=True, limits=(keeper,))
    found = bench.wait(run, "failed")
    assert why in found.message
    until(lambda: not bench.names(run), "its pods have gone")


def test_a_run_that_is_stopped_leaves_the_cluster_and_a_note(bench: Bench) -> None:
    run = bench.running(asking(resources=TWO_NODES))
    grace = {pod["spec"]["terminationGracePeriodSeconds"] for pod in bench.pods(run)}
    assert grace == {30}, "the pool's notice"
    stopping = bench.sender.stop(run, by="grace", reason="wrong data")
    assert stopping.state in ("stopping", "stopped")
    found = bench.wait(run, "stopped")
    assert found.message == "stopped by grace: wrong data"
    assert bench.pods(run) == []
    assert [each.state for each in bench.sender.runs() if each.id == run] == ["stopped"]
    assert [event["type"] for event in bench.sender.events(run)] == ["submitted", "stopped"]


def test_what_a_run_is_made_of_goes_with_its_jobset(bench: Bench) -> None:
    from ml_jobs.launch.kubernetes_api import CONFIG_MAPS

    run = bench.send(asking())
    bench.wait(run, "succeeded")
    bench.cluster.delete(JOBSETS, RECOMMENDATIONS, run)
    until(lambda: bench.cluster.get(CONFIG_MAPS, RECOMMENDATIONS, run) is None, "its ConfigMap has gone")


def test_a_week_after_a_stop_what_a_run_was_made_of_goes_too(bench: Bench) -> None:
    from ml_jobs.launch.kubernetes_api import CONFIG_MAPS
    from ml_jobs.launch.kubernetes_state import STOPPED_AT

    run = bench.running(asking())
    bench.sender.stop(run, by="grace", reason="wrong data")
    bench.wait(run, "stopped")
    long_ago = {"metadata": {"annotations": {STOPPED_AT: "2020-01-01T00:00:00+00:00"}}}
    bench.cluster.patch(CONFIG_MAPS, RECOMMENDATIONS, run, long_ago)
    bench.send(asking())
    until(lambda: bench.cluster.get(CONFIG_MAPS, RECOMMENDATIONS, run) is None, "its ConfigMap has gone")
    assert bench.sender.status(run).message == "stopped by grace: wrong data"
