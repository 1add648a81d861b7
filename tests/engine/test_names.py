"""`infra/` and `policies/` stand first in the path of processes that the engine starts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", ["infra", "policies"])
def test_no_module_hides_one_of_the_standard_library(folder: str) -> None:
    """A `platform.py` there would be what every `import platform` of a dynamic provider finds."""
    # Tables of stand-ins bear the names of the SDKs' modules; nothing starts in their folder and looks there first.
    files = [path for path in (REPOSITORY / folder).rglob("*.py") if path.parent.name != "kinds"]
    names = {path.stem for path in files} - {"__init__", "__main__"}
    packages = {path.parent.name for path in (REPOSITORY / folder).rglob("__init__.py")}
    assert names, "nothing was looked at"
    assert sorted((names | packages) & sys.stdlib_module_names) == []


def test_such_a_name_would_be_found() -> None:
    assert {"platform", "queue", "secrets"} <= sys.stdlib_module_names
