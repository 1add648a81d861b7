"""The longest files go first, so that no worker is left with one while the others have nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LONGEST = ("rehearsal/test_rehearse.py", "rehearsal/", "engine/", "page/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path))


def _place(path: Path) -> int:
    name = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return next((number for number, prefix in enumerate(LONGEST) if name.startswith(prefix)), len(LONGEST))
