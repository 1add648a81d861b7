"""A state that a killed engine tore is mended from its copy; what nobody can mend is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import SkywrightError
from infra.engine.torn import mend

WHOLE = '{"version": 3, "checkpoint": {}}'


def state(backend: Path, text: str | None, copy: str | None) -> Path:
    folder = backend / ".pulumi" / "stacks" / "skywright"
    folder.mkdir(parents=True)
    for name, content in (("test.json", text), ("test.json.bak", copy), ("test.json.attrs", "{}")):
        if content is not None:
            (folder / name).write_text(content)
    return folder / "test.json"


@pytest.mark.parametrize("damage", ["", WHOLE[:10], "\0" * 40])
def test_a_torn_state_is_replaced_by_its_copy_and_kept_aside(tmp_path: Path, damage: str) -> None:
    file = state(tmp_path, damage, WHOLE)
    aside = mend(tmp_path, "skywright", "test")
    assert file.read_text() == WHOLE
    assert aside is not None and aside.read_text() == damage
    assert not file.with_name("test.json.attrs").exists()
    assert mend(tmp_path, "skywright", "test") is None


@pytest.mark.parametrize("copy", [None, "", WHOLE])
def test_a_whole_state_is_left_alone(tmp_path: Path, copy: str | None) -> None:
    file = state(tmp_path, WHOLE, copy)
    assert mend(tmp_path, "skywright", "test") is None
    assert file.read_text() == WHOLE


@pytest.mark.parametrize("copy", [None, "", "[]"])
def test_when_the_copy_is_damaged_too_it_says_so_and_touches_nothing(tmp_path: Path, copy: str | None) -> None:
    file = state(tmp_path, WHOLE[:5], copy)
    with pytest.raises(SkywrightError, match="is damaged, and so is its copy"):
        mend(tmp_path, "skywright", "test")
    assert file.read_text() == WHOLE[:5]


@pytest.mark.parametrize("name", ["test.json.attrs", "test.json.bak.attrs"])
def test_torn_attributes_are_dropped_and_whole_ones_kept(tmp_path: Path, name: str) -> None:
    file = state(tmp_path, WHOLE, WHOLE)
    file.with_name(name).write_text("")
    assert mend(tmp_path, "skywright", "test") is None
    assert not file.with_name(name).exists()
    assert file.with_name("test.json.attrs").exists() == (name != "test.json.attrs")


def test_no_state_is_nothing_to_mend(tmp_path: Path) -> None:
    assert mend(tmp_path, "skywright", "test") is None
