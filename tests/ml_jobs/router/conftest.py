from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from router_house import RunningRouter
from serving_house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A stack of the test's own."""
    house = House(tmp_path / "stack")
    yield house
    house.close()


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRouter]:
    """One router for all tests that don't end it; each puts its own routes."""
    house = House(Path(tmp_path_factory.mktemp("stack")))
    yield RunningRouter(house, max_body_bytes=100_000, timeout_s=1.5)
    house.close()
