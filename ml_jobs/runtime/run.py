"""What a job's author holds: one object for place, data, steps, metrics and the model that comes out.

    def train(run: Run) -> None:
        data = load()
        run.check("digits", data)
        model = run.parallel(build(**run.params))
        optimizer = torch.optim.AdamW(model.parameters())
        for step in run.steps(model, optimizer, samples=len(data), batch=64, epochs=20):
            ...one forward, backward and optimizer step on step.indices...
        run.register_model(model, Model(...))

`steps` resumes from the newest whole checkpoint, saves beside the work and ends the process when capacity goes away;
code between two steps runs again after a resume only for steps that were lost.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from catalog.errors import SkywrightError, UserError, did_you_mean
from ml_jobs.contract import Input, JobSpec, StackContract
from ml_jobs.runtime import artifact, data, registration
from ml_jobs.runtime.account import Account
from ml_jobs.runtime.checkpoint import CheckpointFolder
from ml_jobs.runtime.environment import Job, Place
from ml_jobs.runtime.events import Events
from ml_jobs.runtime.group import Groups
from ml_jobs.runtime.heartbeat import Heartbeat
from ml_jobs.runtime.interval import mtbf_s
from ml_jobs.runtime.loop import Loop, Policy
from ml_jobs.runtime.metrics import Tracker
from ml_jobs.runtime.preemption import Notice, Preempted
from ml_jobs.runtime.price import usd_per_hour
from ml_jobs.runtime.sampler import Sampler, Step
from ml_jobs.runtime.saver import Saver, Tracked
from ml_jobs.runtime.state import seed_generators
from ml_jobs.runtime.storage import Folder

log = logging.getLogger(__name__)


class Run:
    """One rank of a job. All ranks call `steps` alike; metrics and models count on rank 0 and are no-ops elsewhere."""

    def __init__(
        self,
        *,
        job: Job,
        place: Place,
        groups: Groups,
        contract: StackContract,
        notice: Notice,
        events: Events,
        heartbeat: Heartbeat,
    ) -> None:
        self.spec: JobSpec = job.spec
        self.params: Mapping[str, Any] = job.spec.params
        self.id = job.id
        self.rank, self.world_size = place.rank, place.world_size
        self.device = groups.device
        self.contract = contract
        self.checkpoints = CheckpointFolder(f"{contract.storage.checkpoints}/{job.id}")
        self.events = events
        self.account = Account(
            job.folder if place.rank == 0 else None, usd_per_hour=usd_per_hour(job.spec, contract, job.pool)
        )
        self.version: int | None = None
        self._job, self._place, self._groups, self._notice = job, place, groups, notice
        self._heartbeat = heartbeat
        self._loop: Loop | None = None
        self._tracker: Tracker | None = None
        self._data: dict[str, dict[str, Any]] = {}
        self._reference: dict[str, dict[str, Any]] = {}
        publisher = events.publisher
        self.account.open(publisher.earlier() if publisher is not None else None)
        if publisher is not None:
            publisher.summary = self.account.summary
            publisher.start()

    @property
    def is_first(self) -> bool:
        """True on the one rank that evaluates, logs and registers."""
        return self.rank == 0

    def should_stop(self) -> bool:
        """True once all ranks have agreed to stop; `steps` acts on it by itself. Without steps: once this rank was
        told.

        A job that does without `steps` looks here between its parts, and raises `Preempted`.
        """
        return self._notice.is_given if self._loop is None else self._loop.agreed.is_stopping

    def input(self, name: str) -> Input:
        """A declared input. Raises UserError with what is declared."""
        for given in self.spec.inputs:
            if given.name == name:
                return given
        known = [given.name for given in self.spec.inputs]
        raise UserError(
            f"job {self.spec.name} declares no input {name!r}; it declares: {', '.join(known) or 'none'}",
            did_you_mean(name, known),
        )

    def check(self, name: str, table: data.Table) -> None:
        """Hold a table against the declared input `name` before training. Raises UserError (exit 78, never retried)."""
        given = self.input(name)
        found = data.check(given, table)
        rows = len(next(iter(table.values())))
        self._data[name] = {"url": given.url, "digest": found, "rows": rows, "schema": given.columns}
        if self.is_first:
            self._reference |= data.statistics(table)

    def parallel(self, model: Any) -> Any:
        """The model on this rank's device, its gradients averaged over the ranks."""
        model = model.to(self.device)
        if self.world_size == 1:
            return model
        from torch.nn.parallel import DistributedDataParallel

        # From three ranks on, the order of a sum depends on where a gradient lies in its bucket, and the buckets are
        # laid out anew after the first step of each attempt, unless unused parameters are looked for.
        return DistributedDataParallel(
            model,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            find_unused_parameters=self.world_size > 2,
        )

    def steps(
        self, model: Any, optimizer: Any, *, samples: int, batch: int, epochs: int, seed: int = 0, **others: Any
    ) -> Iterator[Step]:
        """Each step that is still to do. `batch` is global; `others` are more objects whose state is saved and loaded.

        Raises Preempted (let it pass) when the capacity goes away, UserError when the checkpoint is another model's.
        """
        if self._loop is not None:
            raise UserError("run.steps was called twice", "Train in one loop; one run has one line of checkpoints.")
        tracked = Tracked(unwrapped(model), optimizer, others)
        identity = {"entry": self.spec.entry, "params": json.loads(json.dumps(dict(self.params), default=str))}
        saver = Saver(self.checkpoints, self._place, self._groups, keep=self.spec.checkpoint.keep, identity=identity)
        self._loop = Loop(
            place=self._place,
            groups=self._groups,
            saver=saver,
            tracked=tracked,
            sampler=Sampler(samples, batch, epochs, seed),
            policy=Policy(
                max_overhead=self.spec.checkpoint.max_overhead,
                mtbf_s=mtbf_s(self.spec, self.contract, self._job.pool),
                notice_s=self._job.notice_s,
            ),
            notice=self._notice,
            events=self.events,
            account=self.account,
            heartbeat=self._heartbeat,
        )
        seed_generators(int(self.params.get("seed", 0)) + self.rank)  # whatever was imported or drawn on the way here
        yield from self._loop.run()

    def log_metrics(self, values: Mapping[str, float]) -> None:
        """Note values of the step at hand: on the time line and in the registry, both in batches. Never waits."""
        if not self.is_first:
            return
        step = self._loop.step + 1 if self._loop is not None else 0
        known = {name: float(value) for name, value in values.items()}
        if odd := {name: value for name, value in known.items() if not math.isfinite(value)}:
            log.warning("step %d: %s is left out", step, ", ".join(f"{name}={value}" for name, value in odd.items()))
        known = {name: value for name, value in known.items() if math.isfinite(value)}
        self.events.metrics(step, known)
        if self._tracker is None:
            self._tracker = self._start_tracker()
        self._tracker.send(step, known)

    def log_accelerators(self, values: Mapping[str, float]) -> None:
        """Note a sample of the GPUs; called by its own thread."""
        if self.is_first:
            step = self._loop.step if self._loop is not None else 0
            self.events.write("metrics", step=step, values=dict(values))
            if self._tracker is not None:
                self._tracker.send(step, dict(values))

    def _start_tracker(self) -> Tracker:
        from ml_jobs.identity import read_token

        try:
            token = read_token(self.contract.identities.training, override=False)
        except SkywrightError as error:
            log.warning("%s", error)
            token = ""
        tracker = Tracker(
            self.contract.registry.tracking_url,
            token,
            job=self.id,
            params=dict(self.params),
            tags={"skywright.name": self.spec.name, "skywright.team": self.spec.team},
        )
        tracker.start()
        return tracker

    def evaluating(self, model: Any) -> Any:
        """The bare module in evaluation mode, on rank 0; None elsewhere."""
        return unwrapped(model).eval() if self.is_first else None

    def register_model(self, model: Any, described: artifact.Model) -> int | None:
        """Write the model's artifact and register it as a version of the job's output; its number on rank 0.

        A job registers one version, however often it is resumed. Raises SkywrightError when the registry stays away.
        """
        if self.spec.output is None:
            raise UserError(f"job {self.spec.name} declares no output", "Set `output` to the model's name in its spec.")
        if not self.is_first:
            return None
        url = f"{self.contract.storage.artifacts}/models/{self.spec.output}/{self.id}"
        origin = dict(self._job.origin)
        lineage = self._lineage(origin, described)
        content = artifact.files(
            described, name=self.spec.output, weights=unwrapped(model).state_dict(), lineage=lineage
        )
        artifact.publish(url, content)
        files = {name: json.loads(content[name]) for name in (artifact.MODEL, "evaluation.json")}
        candidate = registration.Candidate(
            model=self.spec.output,
            run=self.id,
            url=url,
            sha256=registration.digest(content),
            by=origin.get("by", "unknown"),
            lineage=lineage,
            params=self.params,
            metrics=described.evaluation,
            evaluation=files["evaluation.json"],
            signature={key: files[artifact.MODEL][key] for key in ("inputs", "outputs")},
        )
        self.version = registration.register(candidate, self.contract, self._stop_registering)
        self.events.write(
            "registered",
            model=candidate.model,
            version=self.version,
            artifact_url=url,
            artifact_sha256=candidate.sha256,
        )
        return self.version

    def _stop_registering(self) -> None:
        if self._notice.is_given:
            step = self._loop.step if self._loop else 0
            raise Preempted(step, step)

    def _lineage(self, origin: dict[str, Any], described: artifact.Model) -> dict[str, Any]:
        return {
            "job": self.id,
            "by": origin.get("by", "unknown"),
            "entry": self.spec.entry,
            "params": dict(self.params),
            "world_size": self.world_size,
            "data": self._data,
            "metrics": dict(described.evaluation),
            "packages": artifact.packages(),
            **(origin.get("lineage") or {}),
        }

    @property
    def reference(self) -> dict[str, dict[str, Any]]:
        """Statistics of every feature of the checked inputs; rank 0 has them."""
        return self._reference

    def resolve(self, path: str) -> Folder:
        """A folder of the stack's data store."""
        return Folder(f"{self.contract.storage.data}/{path}")

    def finish(self) -> dict[str, Any]:
        """Wait for the last save, write the summary. Called by the runtime after the entry returned."""
        if self._loop is not None:
            self._loop.finish()
        self.flush(is_done=True)
        return self.account.write_summary() if self.is_first else {}

    def flush(self, *, is_done: bool = False) -> None:
        """Send what is still buffered, waiting a few seconds at most; `is_done` ends the tracking run too."""
        self.events.flush()
        if self._tracker is not None:
            self._tracker.close(is_done=is_done)


def unwrapped(model: Any) -> Any:
    """The author's module, without the wrapper that averages gradients."""
    from torch.nn.parallel import DistributedDataParallel

    return model.module if isinstance(model, DistributedDataParallel) else model
