"""A real scheduler process in a folder of its own, on a free port, with a stack's roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scheduler_stand import Stand


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    """`stand(**settings)` starts a scheduler; all are ended with the test."""
    made: list[Stand] = []

    def make(**settings: object) -> Stand:
        made.append(Stand(tmp_path / f"stack-{len(made)}", **settings))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One scheduler for the tests of a module that neither end nor configure it."""
    running = Stand(tmp_path_factory.mktemp("shared") / "stack")
    yield running
    running.kill()
