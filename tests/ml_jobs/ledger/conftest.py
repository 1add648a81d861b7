from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_stack import LocalStack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    made = LocalStack(tmp_path / "stack")
    yield made
    made.close()
