"""The steps of a rehearsal: the life of a stack, each step with what must be true after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from catalog.errors import SkywrightError
from infra import importing, releases
from infra.engine.events import Outcome
from infra.engine.run import EngineFailed
from infra.rehearsal import changes, readers
from infra.rehearsal.bed import Bed
from infra.rehearsal.core.faults import Fault
from infra.rehearsal.expectations import Broken, changing, component_of, expect, ids_of, named_by, words_of
from infra.rehearsal.report import StepResult

Told = Callable[[StepResult], None]

CLUSTER = frozenset({"TrainingCluster"})
AT_ONCE = ("--skip-preview",)
"""Where a preview would only say again what the step before, or the run itself, says; the rest are plain runs."""
SERVING = frozenset({"ModelEndpoint", "Monitoring", "BudgetAlarm"})
"""Components that may change with a release: alarms, dashboards and the budget's actor know it by name."""


@dataclass
class Rehearsal:
    """Runs the steps on a bed. A step that fails ends the rehearsal: what follows would prove nothing."""

    bed: Bed
    on_step: Told = lambda _: None
    results: list[StepResult] = field(default_factory=list)

    def run(self, *, with_faults: bool = False) -> tuple[StepResult, ...]:
        try:
            for step in self._steps(with_faults):
                step()
        except _Ended:
            pass
        return tuple(self.results)

    def _steps(self, with_faults: bool) -> Iterator[Callable[[], None]]:
        yield self.preview
        if with_faults:
            yield self.up_under_faults
        yield self.up
        yield self.up_again
        yield self.change_accelerator
        yield self.release
        yield self.canary_interrupted
        yield self.drift
        if with_faults:
            yield self.removed_by_hand
            if not self._has_cluster():
                yield self.state_lost
        if self.bed.settings.is_production:
            yield self.destroy_refused
        yield self.destroy

    # --- the steps

    def preview(self) -> None:
        with self._step("preview") as said:
            outcome = self.bed.engine.preview()
            count = outcome.changes.get("create", 0)
            expect(count > 0, "nothing would be created")
            expect(not self.bed.account.objects(), "the preview created something")
            said(f"{count} resources would be created, nothing was", outcome)

    def up(self) -> None:
        with self._step("up") as said:
            outcome = self.bed.engine.up(args=AT_ONCE)
            self._expect_one_of_each()
            said("every resource exists once", outcome)

    def up_again(self) -> None:
        with self._step("up again") as said:
            outcome = self.bed.engine.up(args=AT_ONCE)
            expect(outcome.is_unchanged, f"something changed: {words_of(outcome.steps)}")
            said("nothing changed", outcome)

    def change_accelerator(self) -> None:
        path, value, words = changes.another_pool(self.bed.settings)
        with self._step("another accelerator") as said:
            outcome = self._declared(path, value, AT_ONCE)
            self._expect_only(outcome, CLUSTER)
            self._expect_one_of_each()
            said(f"{words}; only the training cluster changed", outcome)

    def release(self) -> None:
        with self._step("a release") as said:
            outcome = self._release(version=1, weight=100)
            expect(bool(changing(outcome.steps)), "the release changed no resource")
            self._expect_only(outcome, SERVING)
            self._expect_one_of_each()
            said("only the endpoint and its alarms changed", outcome)
        with self._step("review") as said:
            lines = readers.disagreements(self.bed.engine, self.bed.settings, outcome.notes)
            expect(not lines, f"the readers of resources disagree: {'; '.join(lines[:3])} ({len(lines)} in all)")
            said("the program, a preview, an export and the engine give the same findings", outcome)

    def canary_interrupted(self) -> None:
        """The provider dies right after the cloud has created something, before it could say so."""
        weight = 10 if self._splits_traffic() else 100
        with self._step("a canary, interrupted") as said:
            struck = self._crashed("ModelEndpoint", lambda: self._release(AT_ONCE, version=2, weight=weight))
            if not struck and (more := changes.another_reader(self.bed.settings)):
                path, value, _ = more
                struck = self._crashed("Identity", lambda: self._declared(path, value, AT_ONCE))
            expect(bool(struck), "no creation could be struck")
            outcome = self.bed.engine.up()
            self._expect_one_of_each()
            again = self.bed.engine.preview()
            expect(again.is_unchanged, f"the recovered stack is not settled: {words_of(again.steps)}")
            said(f"{struck}; the next up recovered, each resource exists once", outcome)

    def drift(self) -> None:
        with self._step("drift") as said:
            changed = self.bed.account.drift()
            refreshed = self.bed.engine.refresh(args=AT_ONCE)
            expect(bool(refreshed.changes.get("update")), f"refresh did not see {changed}")
            outcome = self.bed.engine.up(args=AT_ONCE)
            expect(not outcome.is_unchanged, f"up did not mend {changed}")
            settled = self.bed.engine.refresh(args=AT_ONCE)
            expect(settled.is_unchanged, f"it is not as declared: {words_of(settled.steps)}")
            said(f"{changed}: seen and mended", outcome)

    def removed_by_hand(self) -> None:
        with self._step("removed by hand") as said:
            removed = self.bed.account.remove_one()
            refreshed = self.bed.engine.refresh(args=AT_ONCE)
            expect(bool(refreshed.changes.get("delete")), f"refresh did not miss {removed}")
            outcome = self.bed.engine.up(args=AT_ONCE)
            self._expect_one_of_each()
            said(f"{removed}: missed and made anew", outcome)

    def state_lost(self) -> None:
        """The stack's state is gone, all that it declared runs on: it comes back by imports, and by what `up` makes
        again of what has none."""
        with self._step("state lost") as said:
            engine, account = self.bed.engine, self.bed.account
            ids = ids_of(engine.export())
            there = {(held.token, held.id) for held in account.objects()}
            engine.forget()
            plan = importing.make(engine, {})
            looked_up = plan.missing
            file = self.bed.project / "import.json"
            plan.with_ids({name: ids[name] for name in looked_up}).write(file)
            has_none = set(plan.with_id(importing.BY_UP))
            came = importing.carry_out(engine, file)
            outcome = engine.up(args=AT_ONCE)
            strangers = [step for step in changing(outcome.steps) if step.op != "create" or step.name not in came.left]
            expect(not strangers, f"the declaration does not agree with what was imported: {words_of(strangers)}")
            expect({(held.token, held.id) for held in account.objects()} == there, "something was made or went")
            lost = set(came.left) - has_none - named_by(engine.export(), has_none)
            expect(not lost, f"these have an import and did not come by it: {', '.join(sorted(lost))}")
            again = engine.preview() if came.left else outcome
            expect(again.is_unchanged, f"something is left to do: {words_of(again.steps)}")
            said(
                f"{len(came.names)} resources imported, {len(looked_up)} of them by ids that were looked up; up made "
                f"{len(came.left)} again, and nothing came to be there twice",
                outcome,
            )

    def up_under_faults(self) -> None:
        """Quota exceeded ends an up with the cloud's words and without harm; throttling and slowness only cost time."""
        with self._step("up, quota exceeded") as said:
            self.bed.account.faults.plan(Fault("quota"))
            try:
                self.bed.engine.up()
            except EngineFailed as error:
                words = error.what
            else:
                raise Broken("the refused creation was not reported", "See the stand-in's faults.")
            self.bed.account.faults.clear()
            said(f"refused: {words[-160:]}", Outcome())
        self.bed.account.faults.plan(Fault("throttle"), Fault("slow"))

    def destroy_refused(self) -> None:
        with self._step("destroy refused") as said:
            before = len(self.bed.account.objects())
            try:
                self.bed.engine.destroy()
            except EngineFailed as error:
                words = error.what
            else:
                raise Broken("production was destroyed without a word", "Protect what holds data.")
            expect(len(self.bed.account.objects()) == before, "the refused destroy deleted something")
            said("protected resources refuse; nothing was deleted", Outcome())
            expect("protect" in words, f"it was refused for another reason: {words}")

    def destroy(self) -> None:
        with self._step("destroy") as said:
            if self.bed.settings.is_production:
                self.bed.engine.unprotect()
            outcome = self.bed.engine.destroy(args=AT_ONCE)
            left = self.bed.account.objects()
            kept = "" if not left else f"; kept, as declared: {', '.join(sorted({item.token for item in left}))}"
            left_in_state = self.bed.engine.export()["deployment"].get("resources", [])
            expect(not left_in_state, f"{len(left_in_state)} resources are still in the state")
            said(f"in the order that the cloud demands{kept}", outcome)

    # --- inside

    def _release(self, args: Sequence[str] = (), *, version: int, weight: float) -> Outcome:
        declared = dict(self.bed.settings.endpoint.releases)
        record = changes.release(self.bed.contract, "rehearsal", version)
        declared = releases.with_release(declared, f"v{version}", record, weight=weight)
        return self._declared(releases.PATH, releases.plain(declared), args)

    def _declared(self, path: str, value: Any, args: Sequence[str] = ()) -> Outcome:
        self.bed.declare(path, value)
        return self.bed.engine.up(args=args)

    def _crashed(self, component: str, change: Callable[[], Outcome]) -> str:
        """What the change was creating in the component when its provider died, in words; empty where it creates
        nothing there, and then the change is done."""
        fault = self.bed.account.faults.plan(Fault("crash", component=component))
        try:
            change()
        except EngineFailed as error:
            words = error.what
        else:
            words = ""
        struck = fault.struck()
        expect(bool(struck) == bool(words), f"the crash was not reported: {struck or words}")
        self.bed.account.faults.clear()
        return struck

    def _splits_traffic(self) -> bool:
        from components.features import support_of

        settings = self.bed.settings
        on_cluster = settings.endpoint.runtime == "kubernetes"
        return support_of("kubernetes" if on_cluster else settings.cloud)["endpoint.weights"].is_supported

    def _has_cluster(self) -> bool:
        """An API server fills in what is not declared: objects that are imported from it differ in that, and a chart's
        release can't be read as it was given."""
        settings = self.bed.settings
        return settings.cloud == "kubernetes" or settings.training.runtime == "kubernetes"

    def _expect_one_of_each(self) -> None:
        doubled = self.bed.account.doubled()
        expect(not doubled, f"these exist more than once: {', '.join(doubled)}")

    def _expect_only(self, outcome: Outcome, kinds: frozenset[str]) -> None:
        strangers = [step for step in changing(outcome.steps) if component_of(step.urn) not in kinds]
        expect(not strangers, f"these changed too: {words_of(strangers)}")

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[str, Outcome], None]]:
        began = time.monotonic()
        told: list[tuple[str, Outcome]] = []
        try:
            yield lambda words, outcome: told.append((words, outcome))
            words, outcome = told[-1]
            result = StepResult(name, True, round(time.monotonic() - began, 1), words, outcome.changes)
        except SkywrightError as error:
            result = StepResult(name, False, round(time.monotonic() - began, 1), str(error))
        self.results.append(result)
        self.on_step(result)
        if not result.is_good:
            raise _Ended


class _Ended(Exception):
    pass
