"""Jobs on a cluster: a JobSet that Kueue admits as a whole, on the stack's own cluster or on one that a cloud runs.

What a run is made of lies in a ConfigMap that carries the JobSet's name: the pods mount it, and it goes with the JobSet
when that has been finished for a week. It outlives a run that was stopped by as long, and says who stopped it and why.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from catalog.errors import UserError, did_you_mean, mistake
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.launch import kubernetes_kept as kept
from ml_jobs.launch import kubernetes_request as request_of
from ml_jobs.launch import kubernetes_state as state_of
from ml_jobs.launch.base import FINAL, Feature, Launcher, LaunchError, Origin, Outputs, Run
from ml_jobs.launch.kubernetes_api import CONFIG_MAPS, JOBS, JOBSETS, PODS, WORKLOADS, Cluster, connect
from ml_jobs.launch.kubernetes_pod import CONTAINER, has_store
from ml_jobs.launch.kubernetes_state import Seen
from ml_jobs.launch.managed import is_of
from ml_jobs.launch.records import Attempt, Records

POLL_S = 2.0
INDEX = "batch.kubernetes.io/job-completion-index"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
RUN, STACK, ATTEMPT = "skywright.dev/run", "skywright.dev/stack", "skywright.dev/attempt"


class KubernetesLauncher(Launcher):
    """Acts as whoever the kubeconfig says; what that may do is said by the roles that the stack declares."""

    cloud: ClassVar[str] = "kubernetes"
    title: ClassVar[str] = "Kubernetes"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.FALLBACK: "a job keeps the queue that it was sent to; `skywright train --follow` submits it again to "
        "the one in front of the other capacity."
    }

    def __init__(self, stack: StackContract, *, identity: str | None = None, cluster: Cluster | None = None) -> None:
        """`cluster`: default, the one that the kubeconfig names."""
        super().__init__(stack, identity=identity)
        if cluster is not None:
            self._cluster = cluster
        self.records = Records(stack) if has_store(stack) else None

    @functools.cached_property
    def _cluster(self) -> Cluster:
        return connect()

    def render(self, job: JobSpec, origin: Origin, *, attempt: int = 0) -> dict[str, Any]:
        """`attempt`: which of the run's JobSets this is, from 0; each has a name of its own."""
        self.require(job)
        return request_of.render(job, self.stack, origin, attempt)

    def submit(self, request: dict[str, Any]) -> str:
        """What is submitted a second time finds its JobSet there and starts no other.

        The record first; then what the pods mount, once the cluster has said that it would take the JobSet; then the
        JobSet, which from then on owns what they mount.
        """
        configmap, jobset = request["configmap"], request["jobset"]
        data = json.loads(configmap["data"]["job.json"])
        about = data.pop("job")
        run = str(about["id"])
        if self.records is None:
            self._send(run, configmap, jobset)
            return run
        origin = Origin(run, about["by"], about["submitted_at"], about["lineage"])
        self.records.need(JobSpec.read(data, where="job.json"), origin)
        try:
            is_new = self._send(run, configmap, jobset)
        except LaunchError as refused:
            self.records.note(run, "refused", attempt=_attempt(jobset), why=refused.kind, message=refused.what)
            raise
        if is_new:
            self._note_attempt(run, jobset)
        return run

    def status(self, run: str) -> Run:
        try:
            seen = self._seen(run)
        except UserError:
            if self.records is None:
                raise
            return self.records.run(run, *_last_state(self.records.events(run)))
        found = state_of.run(seen)
        if self.records is None:
            return found
        recorded = self.records.run(
            run, found.state, found.message, started_at=found.started_at, ended_at=found.ended_at,
            attempts=(found.attempts or 1) + _attempt(seen.record), exit_code=found.exit_code, slots=found.slots,
            detail=found.detail,
        )  # fmt: skip
        return replace(  # a preemption without notice leaves no event; earlier JobSets' have gone with them
            recorded,
            preemptions=max(recorded.preemptions or 0, found.preemptions or 0),
            failures=max(recorded.failures or 0, found.failures or 0),
        )

    def runs(self, limit: int = 100) -> list[Run]:
        """As the cluster tells them; what a run cost and made, `status` tells."""
        found: dict[str, Run] = {}
        for seen in self._all():
            run = state_of.run(seen)
            found[run.id] = run  # a later attempt stands for the run
        return sorted(found.values(), key=lambda run: -(run.submitted_at or 0))[:limit]

    def events(self, run: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        """What the run publishes; without an object store to publish to, what the cluster itself has seen of it."""
        if self.records is None:
            known: list[dict[str, Any]] = []
            while True:
                seen = self._seen(run)
                now = list(state_of.timeline(seen))
                yield from (event for event in now if event not in known)
                known += now
                if not follow or state_of.run(seen).is_over:
                    return
                time.sleep(POLL_S)
        self.records.read(run)
        yield from self.records.follow(run, lambda: not follow or self.status(run).is_over, POLL_S)

    def logs(self, run: str, *, rank: int = 0, follow: bool = False) -> Iterator[str]:
        """A cluster keeps the log of a pod for as long as the pod: those of earlier attempts have gone with theirs."""
        job = json.loads(self._seen(run).record["data"]["job.json"])["resources"]
        ranks = job["count"] * job["nodes"]
        if not 0 <= rank < ranks:
            raise mistake("rank", rank, f"0 to {ranks - 1}")
        read: set[str] = set()
        while True:
            seen = self._seen(run)
            for pod in _pods_of_node(seen, rank // job["count"]):
                if pod["metadata"]["uid"] not in read:
                    where = (pod["metadata"]["namespace"], pod["metadata"]["name"], CONTAINER)
                    for line in self._cluster.log(*where, follow=follow):
                        read.add(pod["metadata"]["uid"])
                        if is_of(line, rank):
                            yield line
            if not follow or state_of.run(seen).is_over:
                return
            time.sleep(POLL_S)

    def stop(self, run: str, *, by: str, reason: str) -> Run:
        """The pods get SIGTERM and their notice, so that a checkpoint stands; the JobSet goes when they have gone."""
        seen = self._seen(run)
        if seen.jobset is None or state_of.run(seen).is_over:
            return self.status(run)
        metadata = seen.record["metadata"]
        told = {
            state_of.STOPPED_BY: by,
            state_of.STOPPED_WHY: reason,
            state_of.STOPPED_AT: datetime.now(UTC).isoformat(timespec="seconds"),
        }
        change = {"metadata": {"annotations": told, "ownerReferences": None}}
        self._cluster.patch(CONFIG_MAPS, metadata["namespace"], metadata["name"], change)
        if self.records is not None:
            self.records.note(run, "stopped", by=by, reason=reason)
        self._cluster.delete(JOBSETS, metadata["namespace"], metadata["name"])
        self._sweep(metadata["namespace"])
        return self.status(run)

    def outputs(self, run: str) -> Outputs:
        if self.records is not None:
            self.records.read(run)
            return self.records.outputs(run)
        self._seen(run)
        return Outputs(None, None, None, f"{self.stack.storage.checkpoints}/{run}")

    # --- what the cluster has of the runs

    def _namespaces(self) -> list[str]:
        return sorted({request_of.where(queue)[0] for queue in self.stack.queues})

    def _seen(self, run: str) -> Seen:
        """The run's latest attempt. Raises UserError where there is no such run."""
        for namespace in self._namespaces() if NAME.fullmatch(run) else ():
            found = self._cluster.list(CONFIG_MAPS, namespace, f"{STACK}={self.stack.stack},{RUN}={run}")
            if found:
                record = max(found, key=_attempt)
                name = record["metadata"]["name"]
                mine = f"jobset.sigs.k8s.io/jobset-name={name}"
                jobset = self._cluster.get(JOBSETS, namespace, name)
                return Seen(
                    record,
                    jobset,
                    next(filter(_owned_by(jobset), self._cluster.list(WORKLOADS, namespace)), None),
                    self._cluster.list(JOBS, namespace, mine),
                    self._cluster.list(PODS, namespace, mine),
                )
        known = [state_of.run(seen).id for seen in self._all()]
        raise UserError(f"there is no run {run!r} on stack {self.stack.stack}", did_you_mean(run, known))

    def _all(self) -> Iterator[Seen]:
        """Of every attempt, a run's later ones after its earlier; a few requests for each namespace."""
        for namespace in self._namespaces():
            mine = f"{STACK}={self.stack.stack}"
            records = self._cluster.list(CONFIG_MAPS, namespace, mine)
            jobsets = {each["metadata"]["name"]: each for each in self._cluster.list(JOBSETS, namespace, mine)}
            workloads = self._cluster.list(WORKLOADS, namespace)
            jobs = self._cluster.list(JOBS, namespace, "jobset.sigs.k8s.io/jobset-name")
            pods = self._cluster.list(PODS, namespace, mine)
            for record in sorted(records, key=_attempt):
                name = record["metadata"]["name"]
                jobset = jobsets.get(name)
                yield Seen(
                    record,
                    jobset,
                    next(filter(_owned_by(jobset), workloads), None),
                    [each for each in jobs if _is_of(each, name)],
                    [each for each in pods if _is_of(each, name)],
                )

    def _send(self, run: str, configmap: Mapping[str, Any], jobset: Mapping[str, Any]) -> bool:
        """True when the JobSet was not there before."""
        namespace, name = jobset["metadata"]["namespace"], jobset["metadata"]["name"]
        self._cluster.create(JOBSETS, jobset, is_dry=True)
        if self._cluster.create(CONFIG_MAPS, configmap) is None:
            self._need_same(namespace, name, run)
        made = self._cluster.create(JOBSETS, jobset)
        standing = made or self._cluster.get(JOBSETS, namespace, name)
        if standing is None or standing["metadata"].get("deletionTimestamp"):
            raise LaunchError("request", f"run {run} is being removed from the cluster", "Submit it when it has gone.")
        self._cluster.patch(CONFIG_MAPS, namespace, name, kept.owned_by(name, standing["metadata"]["uid"]))
        self._sweep(namespace)
        return made is not None

    def _sweep(self, namespace: str) -> None:
        with contextlib.suppress(LaunchError):  # what was asked is done; the next one sweeps again
            kept.sweep(self._cluster, namespace, f"{STACK}={self.stack.stack}")

    def _need_same(self, namespace: str, name: str, run: str) -> None:
        """What is there already must be this run, and not stopped."""
        found = self._cluster.get(CONFIG_MAPS, namespace, name)
        metadata: Mapping[str, Any] = found["metadata"] if found else {}
        if (metadata.get("labels") or {}).get(RUN) != run:
            raise LaunchError(
                "request", f"{namespace} has a ConfigMap {name} that is not run {run}'s", "Submit it anew."
            )
        if state_of.STOPPED_BY in (metadata.get("annotations") or {}):
            raise LaunchError("request", f"run {run} was stopped", "Submit a new one, or its next attempt.")

    def _note_attempt(self, run: str, jobset: Mapping[str, Any]) -> None:
        assert self.records is not None
        metadata = jobset["metadata"]
        number, pool = _attempt(jobset), metadata["annotations"]["skywright.dev/pool"]
        capacity = metadata["labels"]["skywright.dev/capacity"].replace("-", "_")
        ref = f"{metadata['namespace']}/{metadata['name']}"
        self.records.submitted(run, Attempt(number, ref, capacity, pool, round(time.time(), 3)))


def _attempt(body: Mapping[str, Any]) -> int:
    return int((body["metadata"].get("labels") or {}).get(ATTEMPT, 0))


def _last_state(events: list[dict[str, Any]]) -> tuple[str, str]:
    """How a run ended whose objects have gone, and what is told of it: by its time line."""
    last = next((event for event in reversed(events) if event["type"] in FINAL), {"type": "stopped"})
    if last["type"] == "stopped" and "by" in last:
        return "stopped", f"stopped by {last['by']}: {last.get('reason', '')}"
    return last["type"], "its JobSet has gone from the cluster"


def _owned_by(jobset: Mapping[str, Any] | None) -> Any:
    uid = jobset["metadata"]["uid"] if jobset else None
    return lambda body: any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences") or ())


def _is_of(body: Mapping[str, Any], jobset: str) -> bool:
    return bool(body["metadata"]["labels"].get("jobset.sigs.k8s.io/jobset-name") == jobset)


def _pods_of_node(seen: Seen, node: int) -> list[dict[str, Any]]:
    """The node's pods, oldest first."""
    found = [pod for pod in seen.pods if (pod["metadata"].get("annotations") or {}).get(INDEX) == str(node)]
    return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
