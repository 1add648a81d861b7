"""Constructing a cloud's platform against a bare loop over the same typed resources, under the same mocks.

The loop has no components, no outputs to wait for, no settings to judge: every argument is a plain value, resolved in a
build before. Seconds are of the CPU: nothing in either side waits.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import pulumi
from recording import Construction, constructions, platform, run, settings_of
from rounds import clouds, interleaved

from infra.settings import Settings

GOAL = 1.3
TIMES = 3
"""In a turn: once is too short to measure."""


def main() -> int:
    is_missed = False
    for cloud in clouds():
        settings = settings_of(cloud)
        recorded = constructions(settings)
        loop, ours = bare(recorded), whole(settings)
        measured = interleaved(lambda: seconds(settings, loop), lambda: seconds(settings, ours))  # noqa: B023
        print(measured.line(f"graph {settings.stack}, {len(recorded)} resources", GOAL))
        is_missed |= measured.ratio > GOAL
    return 1 if is_missed else 0


def whole(settings: Settings) -> Callable[[], Any]:
    return lambda: platform(settings).contract


def bare(recorded: list[Construction]) -> Callable[[], None]:
    def program() -> None:
        made: list[pulumi.CustomResource] = []
        for each in recorded:
            made.append(each.kind(*each.positional, **each.arguments, opts=each.options(made)))

    return program


def seconds(settings: Settings, program: Callable[[], Any]) -> float:
    gc.collect()
    before = time.process_time()
    for _ in range(TIMES):
        run(settings, program)
    return (time.process_time() - before) / TIMES


if __name__ == "__main__":
    sys.exit(main())
