"""A peer on another node is lost: is the run resumed for nothing, or does it count as a failure?

A node that vanishes tells nobody, and its platform only minutes later; what its peers exit with decides. They ask to be
resumed (75), unless whoever ended has a reason of its own to tell, or the run comes no further that way: a fault that
looks like a lost node must not be tried for ever.
"""

from __future__ import annotations

import logging
import time
from enum import Enum

from catalog.errors import SkywrightError
from ml_jobs.runtime import environment
from ml_jobs.runtime.checkpoint import CheckpointFolder
from ml_jobs.runtime.preemption import Notice

log = logging.getLogger(__name__)

LINGER_S = 10.0
"""Whoever ended by a fault of its own is judged first by its platform, which then ends this rank too."""


class When(Enum):
    """When the peer was lost. The value: how many attempts since the newest checkpoint may end so and cost nothing."""

    UNMET = 30
    """It never came: the rank waits a minute for it, as its new node may take long to be found."""
    MET = 5


UNPROVEN = 5
"""The same where the run has no checkpoint at all: these nodes have not shown yet that they can reach each other."""


def is_free(attempt: int, saved_by: int | None, when: When) -> bool:
    """Whether this end costs none of the run's retries. `saved_by`: the attempt that wrote the newest checkpoint.

    Attempts are the platform's count of restarts; where it began anew since, all of them are without a checkpoint.
    """
    if saved_by is None:
        return attempt < UNPROVEN
    return (attempt - saved_by if saved_by <= attempt else attempt) < when.value


def asks_to_resume(notice: Notice, when: When) -> bool:
    """`is_free` of this rank's run, after a wait that a notice ends. Never where all ranks share one node: there the
    node is not what went."""
    try:
        place = environment.detect()
        if place.local_world_size == place.world_size:
            return False
        ends = time.monotonic() + LINGER_S
        while time.monotonic() < ends and not notice.is_given:
            time.sleep(0.05)
        folder = CheckpointFolder(f"{environment.contract().storage.checkpoints}/{environment.job().id}")
        return notice.is_given or is_free(place.attempt, folder.saved_by(), when)
    except SkywrightError as error:  # the store went too
        log.warning("whether the run came further can't be told: %s", error)
        return False
