"""The scheduler's stand, with a registry that only counts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "ml_jobs" / "scheduler"))

from counting_registry import CountingRegistry
from scheduler_stand import Stand


@pytest.fixture
def registry() -> Iterator[CountingRegistry]:
    with CountingRegistry() as running:
        yield running


@pytest.fixture
def drill_stand(tmp_path: Path, registry: CountingRegistry) -> Iterator[Callable[..., Stand]]:
    """`drill_stand(**settings)`: a scheduler whose jobs register with `registry`."""
    made: list[Stand] = []

    def make(**settings: object) -> Stand:
        made.append(Stand(tmp_path / f"stack-{len(made)}", registry=registry.url, **settings))
        return made[-1]

    yield make
    for each in made:
        each.kill()
