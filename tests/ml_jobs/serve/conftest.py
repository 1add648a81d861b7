from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_house import House


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(Path(tmp_path_factory.mktemp("stack")))
    yield house
    house.close()
