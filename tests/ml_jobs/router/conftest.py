from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from serving_house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A stack of the test's own."""
    house = House(tmp_path / "stack")
    yield house
    house.close()


@pytest.fixture(scope="package")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(Path(tmp_path_factory.mktemp("stack")))
    yield house
    house.close()
