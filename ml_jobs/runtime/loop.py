"""The training loop's boundaries: flags, saves, stops and the books, between one step and the next."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from catalog.errors import SkywrightError
from ml_jobs.runtime.account import Account
from ml_jobs.runtime.environment import Place
from ml_jobs.runtime.events import Events
from ml_jobs.runtime.group import Groups
from ml_jobs.runtime.heartbeat import Heartbeat
from ml_jobs.runtime.interval import SaveCosts, interval_s
from ml_jobs.runtime.preemption import Agreed, Flags, Notice, Preempted, leaves_time, stride
from ml_jobs.runtime.sampler import Sampler, Step
from ml_jobs.runtime.saver import Saved, Saver, Tracked

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """`mtbf_s`: mean time between preemptions; `notice_s`: from SIGTERM to SIGKILL."""

    max_overhead: float
    mtbf_s: float
    notice_s: float


class Loop:
    """Runs the steps of one training, from where the newest checkpoint stands. All ranks run it alike."""

    def __init__(
        self,
        *,
        place: Place,
        groups: Groups,
        saver: Saver,
        tracked: Tracked,
        sampler: Sampler,
        policy: Policy,
        notice: Notice,
        events: Events,
        account: Account,
        heartbeat: Heartbeat,
    ) -> None:
        self.saver, self.sampler = saver, sampler
        self._place, self._groups, self._tracked, self._policy = place, groups, tracked, policy
        self._notice, self._events, self._account = notice, events, account
        self._heartbeat = heartbeat
        self._flags = Flags(groups.control)
        self._costs = SaveCosts()
        self._saved_at = time.monotonic()
        self._beside_save: list[float] = []  # step times while a save was being written
        self._failure: SkywrightError | None = None
        self.agreed = Agreed()
        self.step = 0
        self._read_at = 1

    def run(self) -> Iterator[Step]:
        """Yields each step that is still to do. Raises Preempted when the ranks agreed to stop."""
        self._resume()
        self._flags.post(self._mine())
        self._read_at = self.step + 1
        while self.step < self.sampler.total:
            was_saving = self.saver.is_busy
            began = time.perf_counter()
            self._heartbeat.begin(self.step)
            yield self.sampler.step(self.step, self._place.rank, self._place.world_size)
            self._heartbeat.end()
            seconds = time.perf_counter() - began
            self.step += 1
            self._account.stepped(self.step, seconds)
            if was_saving:
                self._beside_save.append(seconds)
            self._boundary()
        self.agreed = self._flags.read()
        if self._failure is not None or self.agreed.has_failed:
            self._raise_failure()
        if self.saver.last_step != self.step:
            self._save()

    def _boundary(self) -> None:
        if self.step < self._read_at:
            self._account.mark()
            return
        self.agreed = self._flags.read()
        self._account.totals.flags_s = self._flags.seconds
        self.note_finished()
        if self.agreed.has_failed:
            self._raise_failure()
        if self.agreed.is_stopping and self.step < self.sampler.total:
            self._stop()
        if self.agreed.is_saving and self.step < self.sampler.total:
            self._save()
        self._flags.post(self._mine())
        self._read_at = self.step + self.agreed.stride
        self._account.mark()

    def _mine(self) -> Agreed:
        is_first = self._place.rank == 0
        longest_s = self._costs.longest_save_s * (2 if self.saver.is_busy else 1)
        return Agreed(
            is_stopping=self._notice.is_given,
            is_saving=(is_first and self._is_due()) or self._notice.take_warning(),
            has_failed=self._failure is not None,
            spent_s=self._notice.spent_s,
            save_s=longest_s if is_first else 0.0,
            stride=stride(self._account.step_s),
        )

    def _is_due(self) -> bool:
        if self.saver.is_busy or self.step == 0:
            return False
        if not self._costs.is_known:
            return True  # the first save is the measurement
        wait_s = interval_s(
            cost_s=self._costs.cost_s,
            mtbf_s=self._policy.mtbf_s,
            max_overhead=self._policy.max_overhead,
            save_s=self._costs.save_s,
        )
        return time.monotonic() - self._saved_at >= wait_s

    def _save(self) -> None:
        began = time.perf_counter()
        self.saver.wait()  # as a rule nothing is in flight
        self.note_finished()
        self.saver.begin(
            self._tracked,
            step=self.step,
            sampler=self.sampler.position(),
            useful_s=self._account.totals.useful_s,
        )
        self._account.totals.blocked_s += time.perf_counter() - began
        self._saved_at = time.monotonic()

    def note_finished(self) -> None:
        """Book the save that ended since the last call, if one did."""
        done = self.saver.finished()
        if done is None:
            return
        typical = self._account.step_s
        slowed_s = (
            max(0.0, (median(self._beside_save) - typical) * len(self._beside_save)) if self._beside_save else 0.0
        )
        self._beside_save.clear()
        if done.error is not None:
            self._fail(done)
            return
        self._costs.add(cost_s=done.blocked_s + slowed_s, save_s=done.save_s)
        self._account.totals.slowed_s += slowed_s
        self._account.totals.checkpoints += 1
        self._events.write(
            "checkpoint",
            step=done.step,
            save_s=round(done.save_s, 4),
            blocked_s=round(done.blocked_s, 5),
            bytes=done.bytes,
        )

    def _fail(self, done: Saved) -> None:
        self._failure = done.error
        log.error("%s", done.error)
        self._events.write("checkpoint_failed", step=done.step, message=str(done.error))

    def _raise_failure(self) -> None:
        raise self._failure or SkywrightError(
            f"rank {self._place.rank} stops: another rank failed", "See the other ranks' logs."
        )

    def _stop(self) -> None:
        """Save once more if the notice leaves time for it, and end together."""
        if leaves_time(self.agreed, self._policy.notice_s):
            self._save()
            self.finish()
        else:
            self._events.write(
                "checkpoint_skipped",
                step=self.step,
                stands=self.saver.last_step,
                reason=f"a save takes up to {self.agreed.save_s:.2f} s, "
                f"the notice of {self._policy.notice_s:g} s leaves "
                f"{max(0.0, self._policy.notice_s - self.agreed.spent_s):.2f} s",
            )
        self._account.mark()
        import torch.distributed as dist

        dist.barrier(group=self._groups.control)  # no rank leaves while rank 0 still writes
        raise Preempted(self.step, self.saver.last_step)

    def _resume(self) -> None:
        loaded = self.saver.load(self._tracked)
        manifest = loaded.manifest
        if manifest is None:
            lost_steps, lost_s = self._account.resumed(0, 0.0, loaded.load_s, counts=self._account.totals.steps > 0)
        else:
            self.sampler.check(manifest.sampler)
            self.step = manifest.step
            lost_steps, lost_s = self._account.resumed(self.step, manifest.useful_s, loaded.load_s)
        if lost_steps:
            self._events.write("lost", steps=lost_steps, seconds=round(lost_s, 3))
        if manifest is not None or loaded.passed_over:
            self._events.write(
                "resumed", step=self.step, load_s=round(loaded.load_s, 4), passed_over=loaded.passed_over
            )
            log.info("resumed at step %d of %d in %.2f s", self.step, self.sampler.total, loaded.load_s)
        self._account.mark()

    def finish(self) -> None:
        """Wait for the save in flight and book it. A last save that failed is told, and not fatal: the work is done."""
        self.saver.wait()
        self.note_finished()
