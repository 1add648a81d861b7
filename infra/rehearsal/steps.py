"""The steps of a rehearsal: the life of a stack, each step with what must be true after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from catalog.errors import SkywrightError
from infra import releases
from infra.engine.events import Outcome, Step
from infra.engine.run import EngineFailed
from infra.rehearsal import changes, readers
from infra.rehearsal.bed import Bed
from infra.rehearsal.core.faults import Fault
from infra.rehearsal.report import StepResult

Told = Callable[[StepResult], None]

CLUSTER = frozenset({"TrainingCluster"})
SERVING = frozenset({"ModelEndpoint", "Monitoring", "BudgetAlarm"})
"""Components that may change with a release: alarms, dashboards and the budget's actor know it by name."""


class Broken(SkywrightError):
    """A step ended well by the engine's word, and what must be true after it is not."""


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
        if self.bed.settings.is_production:
            yield self.destroy_refused
        yield self.destroy

    # --- the steps

    def preview(self) -> None:
        with self._step("preview") as said:
            outcome = self.bed.engine.preview()
            count = outcome.changes.get("create", 0)
            _expect(count > 0, "nothing would be created")
            _expect(not self.bed.account.objects(), "the preview created something")
            said(f"{count} resources would be created, nothing was", outcome)

    def up(self) -> None:
        with self._step("up") as said:
            outcome = self.bed.engine.up()
            self._expect_one_of_each()
            said("every resource exists once", outcome)

    def up_again(self) -> None:
        with self._step("up again") as said:
            outcome = self.bed.engine.up()
            _expect(outcome.is_unchanged, f"something changed: {_words(outcome.steps)}")
            said("nothing changed", outcome)

    def change_accelerator(self) -> None:
        path, value, words = changes.another_pool(self.bed.settings)
        with self._step("another accelerator") as said:
            self.bed.declare(path, value)
            outcome = self.bed.engine.up()
            self._expect_only(outcome, CLUSTER)
            self._expect_one_of_each()
            said(f"{words}; only the training cluster changed", outcome)

    def release(self) -> None:
        with self._step("a release") as said:
            outcome = self._release(version=1, weight=100)
            _expect(bool(_changed(outcome.steps)), "the release changed no resource")
            self._expect_only(outcome, SERVING)
            self._expect_one_of_each()
            said("only the endpoint and its alarms changed", outcome)
        with self._step("review") as said:
            lines = readers.disagreements(self.bed.engine, self.bed.settings, outcome.notes)
            _expect(not lines, f"the readers of resources disagree: {'; '.join(lines[:3])} ({len(lines)} in all)")
            said("the program, a preview, an export and the engine give the same findings", outcome)

    def canary_interrupted(self) -> None:
        """The provider dies right after the cloud has created something, before it could say so."""
        weight = 10 if self._splits_traffic() else 100
        with self._step("a canary, interrupted") as said:
            fault = self.bed.account.faults.plan(Fault("crash", component="ModelEndpoint"))
            try:
                self._release(version=2, weight=weight)
            except EngineFailed as error:
                first = error.what
            else:
                first = ""
            struck = fault.struck()
            _expect(bool(struck) == bool(first), f"the crash was not reported: {struck or first}")
            self.bed.account.faults.clear()
            outcome = self.bed.engine.up()
            self._expect_one_of_each()
            again = self.bed.engine.up()
            _expect(again.is_unchanged, f"the recovered stack is not settled: {_words(again.steps)}")
            said(f"{struck or 'no create could be struck'}; the next up recovered, each resource exists once", outcome)

    def drift(self) -> None:
        with self._step("drift") as said:
            changed = self.bed.account.drift()
            refreshed = self.bed.engine.refresh()
            _expect(bool(refreshed.changes.get("update")), f"refresh did not see {changed}")
            outcome = self.bed.engine.up()
            _expect(not outcome.is_unchanged, f"up did not mend {changed}")
            settled = self.bed.engine.refresh()
            _expect(settled.is_unchanged, f"it is not as declared: {_words(settled.steps)}")
            said(f"{changed}: seen and mended", outcome)

    def removed_by_hand(self) -> None:
        with self._step("removed by hand") as said:
            removed = self.bed.account.remove_one()
            refreshed = self.bed.engine.refresh()
            _expect(bool(refreshed.changes.get("delete")), f"refresh did not miss {removed}")
            outcome = self.bed.engine.up()
            self._expect_one_of_each()
            said(f"{removed}: missed and made anew", outcome)

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
            _expect(len(self.bed.account.objects()) == before, "the refused destroy deleted something")
            said("protected resources refuse; nothing was deleted", Outcome())
            _expect("protect" in words, f"it was refused for another reason: {words}")

    def destroy(self) -> None:
        with self._step("destroy") as said:
            if self.bed.settings.is_production:
                self.bed.engine.unprotect()
            outcome = self.bed.engine.destroy()
            left = self.bed.account.objects()
            kept = "" if not left else f"; kept, as declared: {', '.join(sorted({item.token for item in left}))}"
            left_in_state = self.bed.engine.export()["deployment"].get("resources", [])
            _expect(not left_in_state, f"{len(left_in_state)} resources are still in the state")
            said(f"in the order that the cloud demands{kept}", outcome)

    # --- inside

    def _release(self, *, version: int, weight: float) -> Outcome:
        declared = dict(self.bed.settings.endpoint.releases)
        record = changes.release(self.bed.contract, "rehearsal", version)
        declared = releases.with_release(declared, f"v{version}", record, weight=weight)
        self.bed.declare(releases.PATH, releases.plain(declared))
        return self.bed.engine.up()

    def _splits_traffic(self) -> bool:
        from components.features import support_of

        settings = self.bed.settings
        on_cluster = settings.endpoint.runtime == "kubernetes"
        return support_of("kubernetes" if on_cluster else settings.cloud)["endpoint.weights"].is_supported

    def _expect_one_of_each(self) -> None:
        doubled = self.bed.account.doubled()
        _expect(not doubled, f"these exist more than once: {', '.join(doubled)}")

    def _expect_only(self, outcome: Outcome, kinds: frozenset[str]) -> None:
        strangers = [step for step in _changed(outcome.steps) if component_of(step.urn) not in kinds]
        _expect(not strangers, f"these changed too: {_words(strangers)}")

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


def component_of(urn: str) -> str:
    """The component that a resource lies in, such as ModelEndpoint; the resource's own type where it lies in none."""
    for token in urn.split("::")[2].split("$"):
        if token.startswith("skywright:"):
            return token.rsplit(":", 1)[1]
    return urn.split("::")[2]


def _changed(steps: Iterable[Step]) -> list[Step]:
    """Steps that change something; what only reads, the stack's own outputs and providers are none."""
    passive = {"same", "refresh", "read"}
    return [
        step
        for step in steps
        if step.op not in passive and not step.type.startswith(("pulumi:pulumi:", "pulumi:providers:"))
    ]


def _words(steps: Iterable[Step]) -> str:
    return ", ".join(sorted({f"{step.name} ({step.op})" for step in _changed(steps)})) or "nothing that a step names"


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Broken(otherwise)
