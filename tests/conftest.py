"""What holds for all tests: their order, and that none depends on the machine's pace or on what ran before it.

The longest files go first, so that no worker is left with one while the others have nothing to do.
"""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import pytest
from hypothesis import settings

from infra.engine.beside.skywright_child import COLLECTED_AFTER

gc.set_threshold(COLLECTED_AFTER)  # as in all that tests are about: the SDKs in memory make collections long
settings.register_profile("any pace", deadline=None)
settings.load_profile("any pace")

TESTS = Path(__file__).parent
LONGEST = ("rehearsal/test_rehearse.py", "rehearsal/", "engine/", "page/")


@pytest.fixture(autouse=True)
def loggers_that_speak() -> None:
    """A migration of MLflow's database silences every logger that there is."""
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path))


def _place(path: Path) -> int:
    name = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return next((number for number, prefix in enumerate(LONGEST) if name.startswith(prefix)), len(LONGEST))
