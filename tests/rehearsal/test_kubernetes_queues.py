"""The queues that the components declare, with Kueue itself: what a team may hold, and what a budget stops."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from declared_objects import bodies

from components.kubernetes.pods import plain_container_security, plain_pod_security
from infra.rehearsal.kubernetes import objects, whole
from infra.rehearsal.kubernetes.api import Api
from infra.rehearsal.kubernetes.client import connect
from infra.rehearsal.kubernetes.server import Server
from infra.settings import load
from ml_jobs.budget import kubernetes as actor
from tests.graph.harness import declare

pytestmark = pytest.mark.cluster

SECTIONS = {
    "cloud": "kubernetes",
    "training": {
        "pools": {
            "spot": {"accelerator": {"kind": "L4", "count": 2}, "is_spot": True, "max_count": 2},
            "cpu": {"ranks": 2, "max_count": 1},
        },
        "teams": {
            "a": {"max_accelerators": {"L4": 2}},
            "b": {"max_accelerators": {"L4": 2}, "can_borrow": False},
        },
    },
}
NODES = [whole.Node("cpu-1", {"skywright.dev/pool": "cpu"}, {"cpu": "16", "memory": "64Gi"})]
"""None for spot: what is admitted there has its place and waits for a node, so that it can be stopped at leisure."""


@pytest.fixture(scope="module")
def declared() -> list[dict[str, Any]]:
    config = {
        f"skywright:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in SECTIONS.items()
    }
    return bodies(declare(load(config, stack="q")))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, declared: list[dict[str, Any]]) -> Iterator[Server]:
    with whole.cluster(tmp_path_factory.mktemp("whole"), NODES) as server:
        api = Api(connect(server))
        for body in declared:
            api.apply(body, objects.ref(body), is_forced=True)
        yield server


class Team:
    """Jobs of a team, as a launcher submits them."""

    def __init__(self, running: Server, name: str) -> None:
        self.api = Api(connect(running))
        self.namespace = f"skywright-team-{name}"

    def submit(self, name: str, queue: str, *, gpus: int = 0) -> None:
        asked = {"cpu": "1", "memory": "1Gi", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
        container = {
            "name": "rank",
            "image": "registry.example.com/job:1",
            "resources": {"requests": asked, "limits": asked},
            "securityContext": plain_container_security(),
        }
        self.api.create(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "labels": {"kueue.x-k8s.io/queue-name": queue},
                },
                "spec": {
                    "suspend": True,
                    "template": {
                        "spec": {
                            "restartPolicy": "Never",
                            "serviceAccountName": "training",
                            "securityContext": plain_pod_security(),
                            "containers": [container],
                        }
                    },
                },
            }
        )

    def remove(self, name: str) -> None:
        self.api.delete(self._ref(name))

    def is_suspended(self, name: str) -> bool:
        job = self.api.get(self._ref(name))
        assert job is not None
        return bool(job["spec"].get("suspend"))

    def is_complete(self, name: str) -> bool:
        job = self.api.get(self._ref(name))
        assert job is not None
        return any(item["type"] == "Complete" for item in job.get("status", {}).get("conditions") or ())

    def _ref(self, name: str) -> objects.Ref:
        return objects.Ref("batch/v1", "Job", self.namespace, name)


def eventually(what: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.1)


def always(what: Callable[[], bool], seconds: float = 3) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert what()
        time.sleep(0.2)


class Budget:
    """The actor with its own account's rights, at a spend of our choice."""

    def __init__(self, running: Server, declared: list[dict[str, Any]]) -> None:
        job = next(item for item in declared if item["kind"] == "CronJob")
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        self.environ = {item["name"]: item["value"] for item in pod["containers"][0]["env"]}
        self.running = running
        self.trust = ssl.create_default_context(cafile=str(running.ca_file))

    def spends(self, percent: float) -> None:
        spent = float(self.environ["SKYWRIGHT_LIMIT_USD"]) * percent / 100
        answer = {"data": {"result": [{"value": [0, str(spent)]}]}}
        actor.run(self.environ, call=self._call, fetch=lambda url: answer, now=1_762_000_000)

    def _call(self, method: str, path: str, patch: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self.running.url + path,
            method=method,
            data=None if patch is None else json.dumps(patch).encode(),
            headers={
                "Authorization": f"Bearer {self.running.token()}",
                "Impersonate-User": "system:serviceaccount:skywright:skywright-budget",
                "Content-Type": "application/merge-patch+json",
            },
        )
        with urllib.request.urlopen(request, context=self.trust, timeout=20) as answer:
            return json.load(answer)


def test_a_job_within_its_quota_runs_to_its_end(running: Server) -> None:
    team = Team(running, "a")
    team.submit("small", "on-demand")
    eventually(lambda: team.is_complete("small"))


def test_a_team_takes_what_is_idle_and_gives_it_back(running: Server) -> None:
    a, b = Team(running, "a"), Team(running, "b")
    for name in ("own", "borrowed"):
        a.submit(name, "spot", gpus=2)
        eventually(lambda name=name: not a.is_suspended(name))  # type: ignore[misc]
    b.submit("mine", "spot", gpus=2)
    eventually(lambda: not b.is_suspended("mine"))  # reclaimed from what a had borrowed
    eventually(lambda: a.is_suspended("own") != a.is_suspended("borrowed"))
    a.remove("own")
    a.remove("borrowed")
    b.submit("more", "spot", gpus=2)
    always(lambda: b.is_suspended("more"))  # b may not borrow what a leaves idle
    b.remove("mine")
    b.remove("more")


def test_the_budget_stops_spot_and_lets_nothing_new_begin(running: Server, declared: list[dict[str, Any]]) -> None:
    team, budget = Team(running, "a"), Budget(running, declared)
    team.submit("training", "spot", gpus=2)
    eventually(lambda: not team.is_suspended("training"))

    budget.spends(85)  # block_new
    team.submit("later", "on-demand")
    always(lambda: team.is_suspended("later") and not team.is_suspended("training"))

    budget.spends(105)  # stop_spot
    eventually(lambda: team.is_suspended("training"))
    always(lambda: team.is_suspended("later"))

    budget.spends(10)
    eventually(lambda: not team.is_suspended("training"))
    eventually(lambda: team.is_complete("later"))
    team.remove("training")
