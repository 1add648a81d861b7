"""What a failed run of the engine says to people: one line, with the reason that matters."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.errors import SkywrightError
from infra.engine import events
from infra.engine.events import Outcome
from infra.engine.locks import Lock


class EngineFailed(SkywrightError):
    """A run of the engine failed; `outcome` holds all that it reported."""

    def __init__(self, what: str, remedy: str, outcome: Outcome) -> None:
        super().__init__(what, remedy)
        self.outcome = outcome


def failure(verb: str, stack: str, outcome: Outcome, said: str, held: Sequence[Lock]) -> EngineFailed:
    """`verb`: of the run; `said`: all that the engine printed; `held`: the locks on the stack."""
    what = f"{verb} of stack {stack} failed"
    if outcome.violations:
        more = f" (and {len(outcome.violations) - 1} more)" if len(outcome.violations) > 1 else ""
        remedy = "Nothing was changed. `pulumi preview` shows every violation; mend the stack's file"
        return EngineFailed(f"{what}: {outcome.violations[0]}{more}", remedy + ".", outcome)
    if held:
        lock = held[0]
        holder = f"process {lock.pid} of {lock.user} on {lock.host}, since {lock.since:%Y-%m-%d %H:%M:%S}"
        if lock.is_stale or "locked by" in said:
            remedy = f"Wait for it to end; if it is gone for good: pulumi cancel --stack {stack}"
            return EngineFailed(f"{what}: another run holds its lock ({holder})", remedy + ".", outcome)
    errors = [events.one_line(error) for error in outcome.errors]
    if not errors:
        errors = [line.split("error: ", 1)[1] for line in said.splitlines() if line.startswith("error: ")]
    if not errors:
        errors = [line.strip() for line in said.splitlines() if line.strip()][-1:] or ["it gave no reason"]
    remedy = "" if errors[0].count(". ") else f"`pulumi {verb} -s {stack}` shows all of it."
    return EngineFailed(f"{what}: {'; '.join(errors[:3])}", remedy, outcome)
