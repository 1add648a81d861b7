"""Kubernetes: how a run stands by what the cluster says of it, and what its API server answers.

That controllers write what is read here is held in tests/cluster.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from contracts import contract, digits
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.contract import JobSpec
from ml_jobs.launch import kubernetes_state
from ml_jobs.launch.base import Origin
from ml_jobs.launch.kubernetes import KubernetesLauncher
from ml_jobs.launch.kubernetes_api import lines, refused
from ml_jobs.launch.kubernetes_state import Seen

PROD = contract("kubernetes-prod")
ORIGIN = Origin("digits-0123abcd", "ada", 1_760_000_000.0, {"git": {"commit": "abc"}})


def seen(job: JobSpec | None = None, **objects: Any) -> Seen:
    configmap = KubernetesLauncher(PROD).render(job or digits(team="recommendations"), ORIGIN)["configmap"]
    return Seen(configmap, **{"jobset": {"metadata": {}}, **objects})


def conditions(**true: str) -> dict[str, Any]:
    """Conditions that hold, by type, with their message."""
    told = [{"type": kind, "status": "True", "reason": "Why", "message": message} for kind, message in true.items()]
    return {"status": {"conditions": told}}


def a_pod(phase: str = "Pending", *, node: str = "", **container: Any) -> dict[str, Any]:
    status = {"phase": phase, "containerStatuses": [{"name": "train", "state": container}]}
    return {"metadata": {}, "spec": {"nodeName": node} if node else {}, "status": status}


ADMITTED = conditions(Admitted="")
PULL = {"reason": "ImagePullBackOff", "message": "manifest unknown"}
KEYLESS = {"reason": "CreateContainerConfigError", "message": 'secret "hub" not found'}
NO_NODE = {"metadata": {}, "spec": {}, "status": {"conditions": [
    {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "state", "message"),
    [
        (seen(jobset=None), "stopped", "its JobSet is not on the cluster"),
        (seen(jobset={"metadata": {"deletionTimestamp": "now"}}), "stopping", "its JobSet is being deleted"),
        (seen(), "queued", "waits for Kueue"),
        (seen(workload=ADMITTED), "queued", "starting"),
        (seen(workload=ADMITTED, pods=[a_pod(), a_pod("Running")]), "running", ""),
        (
            seen(workload=ADMITTED, pods=[a_pod(waiting=PULL)]),
            "queued",
            "its image can't be pulled (ImagePullBackOff): manifest unknown",
        ),
        (
            seen(workload=ADMITTED, pods=[a_pod(waiting=KEYLESS)]),
            "queued",
            'its container can\'t start (CreateContainerConfigError): secret "hub" not found',
        ),
        (seen(workload=ADMITTED, pods=[NO_NODE]), "queued", "0/3 nodes are available"),
        (seen(workload=conditions(Admitted="", Evicted="for another")), "queued", "for another"),
        (seen(jobset={"metadata": {}, **conditions(Completed="done")}), "succeeded", ""),
        (seen(jobset={"metadata": {}, **conditions(Failed="too often")}), "failed", "too often"),
    ],
)  # fmt: skip
def test_a_run_stands_as_its_objects_say(found: Seen, state: str, message: str) -> None:
    assert kubernetes_state.standing(found) == (state, message)


def test_a_gang_that_failed_ended_as_the_one_that_was_mistaken_did() -> None:
    """Its peers end by whatever ends them."""
    peers = [
        a_pod("Failed", node="b", terminated={"exitCode": 143}),
        a_pod("Failed", node="a", terminated={"exitCode": 78, "message": "log\nparams.width is 0."}),
    ]
    run = kubernetes_state.run(seen(jobset={"metadata": {}, **conditions(Failed="failed")}, pods=peers))
    assert (run.exit_code, run.message, run.slots) == (78, "params.width is 0.", ("a", "b"))


def test_evictions_count_as_preemptions_and_what_kueue_gave_up_does_not() -> None:
    stats = [{"reason": "Preempted", "count": 2}, {"reason": "ClusterQueueStopped", "count": 1},
             {"reason": "Deactivated", "count": 1}]  # fmt: skip
    workload = {"status": {"conditions": [], "schedulingStats": {"evictions": stats}}}
    status = {"restarts": 4, "restartsCountTowardsMax": 1}
    run = kubernetes_state.run(seen(jobset={"metadata": {}, "status": status}, workload=workload))
    assert (run.attempts, run.preemptions, run.failures) == (8, 6, 1)


# --- refusals


def answer(message: str, reason: str = "Forbidden") -> str:
    return json.dumps({"kind": "Status", "message": message, "reason": reason})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, answer("Unauthorized", "Unauthorized"), "credentials"),
        (403, answer('jobsets is forbidden: User "ada" cannot create resource "jobsets"'), "permission"),
        (403, answer("pods is forbidden: exceeded quota: quota, requested: requests.cpu=8"), "quota"),
        (403, answer('pods is forbidden: violates PodSecurity "restricted:latest"'), "request"),
        (403, answer('admission webhook "vjobset.kb.io" denied the request: no'), "request"),
        (422, answer("JobSet is invalid: spec.replicatedJobs", "Invalid"), "request"),
        (429, answer("too many requests", "TooManyRequests"), "unreachable"),
        (503, "upstream connect error", "unreachable"),
        (404, answer('namespaces "a" not found', "NotFound"), "request"),
        (404, "404 page not found\n", "request"),
    ],
)
def test_what_the_api_server_answers_has_a_kind(status: int, body: str, kind: str) -> None:
    found = refused(status, body, "Reason")
    assert found.kind == kind
    assert "\n" not in str(found)


@given(st.lists(st.text(alphabet="ab\n", max_size=5)))
def test_a_log_comes_in_whole_lines_however_it_was_cut(pieces: list[str]) -> None:
    found = list(lines(iter(pieces)))
    assert "".join(found) == "".join(pieces)
    assert all(line.endswith("\n") for line in found[:-1])
    assert all("\n" not in line[:-1] for line in found)


def test_the_sdk_is_loaded_only_to_talk_to_a_cluster() -> None:
    code = "import sys, ml_jobs.launch.kubernetes; sys.exit('kubernetes' in sys.modules or 'urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
