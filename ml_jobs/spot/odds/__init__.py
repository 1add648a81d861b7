"""How likely a request for spot would be granted, as far as somebody tells without one being made.

What the platforms tell are likelihoods, not answers: EC2's and Azure's placement scores, Compute Engine's
obtainability, and what became of the last pods on a cluster's spot. Asking costs nothing and starts nothing. It is done
as whoever follows the run. The pipeline's role may ask on SageMaker's and Vertex AI's stacks; others need an
administrator's grant. Where nobody tells, the run's own history does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from catalog.errors import SkywrightError
from ml_jobs.contract import JobSpec, Pool, StackContract
from ml_jobs.launch.base import of_stack
from ml_jobs.launch.refusals import told
from ml_jobs.spot.market import pools

EVERY_S = 300.0
"""The least time between two questions: the clouds limit how often they may be asked."""
LIKELY, EVEN, UNLIKELY = 0.85, 0.5, 0.15
"""For words without a number, the middles of the bands that Compute Engine names so (0.7 to 1, 0.4 to 0.6, 0 to 0.3).

https://docs.cloud.google.com/compute/docs/instances/view-vm-availability
"""


@dataclass(frozen=True, slots=True)
class Odds:
    """`chance`: 0 to 1, None where nobody tells; `why`: who tells what, or why nobody does."""

    chance: float | None
    why: str


Teller = Callable[[StackContract, Pool, int], Odds]
"""Asked for so many instances of a spot pool, at once. Raises what its SDK raises."""


def asker(stack: StackContract, job: JobSpec) -> Callable[[], Odds]:
    """What asks for the job's spot pool; an answer is kept for EVERY_S. It never raises for what a platform answers.

    Raises UserError where no pool of the stack runs the job.
    """
    found = pools(job, stack)
    places = [name for name in dict.fromkeys((of_stack(stack), stack.cloud)) if name in TELLERS]
    kept: list[tuple[float, Odds]] = []

    def ask() -> Odds:
        now = time.monotonic()
        if not kept or now - kept[0][0] >= EVERY_S:
            kept[:] = [(now, _first(stack, found.spot, job.resources.nodes, places) if found else NOBODY)]
        return kept[0][1]

    return ask


NOBODY = Odds(None, "nobody tells")
TELLERS = {
    "kubernetes": "ml_jobs.spot.odds.cluster", "aws": "ml_jobs.spot.odds.aws", "gcp": "ml_jobs.spot.odds.gcp",
    "azure": "ml_jobs.spot.odds.azure",
}  # fmt: skip
"""Name of a launcher, or of the cloud below its cluster -> where its `tell` is; it loads its SDK as it is asked."""


def _first(stack: StackContract, pool: Pool, nodes: int, places: list[str]) -> Odds:
    """The first that tells a chance; else all that was said."""
    said = []
    for place in places:
        try:
            with told(place):
                answer: Odds = import_module(TELLERS[place]).tell(stack, pool, nodes)
        except (SkywrightError, ImportError) as error:
            answer = Odds(None, str(error).rstrip("."))
        if answer.chance is not None:
            return answer
        said.append(answer.why)
    return Odds(None, "; ".join(said)) if said else NOBODY
