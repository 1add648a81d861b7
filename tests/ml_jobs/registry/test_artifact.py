"""The digest of a folder: equal folders agree, and nothing in one can change unseen."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from ml_jobs.registry import artifact

names = st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6}\.bin)?", fullmatch=True)
folders = st.dictionaries(names, st.binary(max_size=50), min_size=1, max_size=6).filter(
    lambda files: not any(other.startswith(f"{name}/") for name in files for other in files)
)


def write(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder.as_uri()


def test_the_digest_is_the_documented_one(tmp_path: Path) -> None:
    url = write(tmp_path, {"b.bin": b"2", "a/z.bin": b"1"})
    lines = [f"{hashlib.sha256(b'1').hexdigest()}  a/z.bin", f"{hashlib.sha256(b'2').hexdigest()}  b.bin"]
    assert artifact.digest(url) == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert artifact.digest(str(tmp_path)) == artifact.digest(url + "/") == artifact.digest(url)
    assert [(file.path, file.size_bytes) for file in artifact.manifest(url)] == [("a/z.bin", 1), ("b.bin", 1)]


@settings(max_examples=30, deadline=None)
@given(files=folders, data=st.data())
def test_any_change_changes_the_digest(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("artifact")
    before = artifact.digest(write(folder, files))
    again = tmp_path_factory.mktemp("again")
    assert artifact.digest(write(again, dict(reversed(files.items())))) == before
    name = data.draw(st.sampled_from(sorted(files)))
    change = data.draw(st.sampled_from(["content", "name", "remove", "add"]))
    path = again / name
    if change == "content":
        path.write_bytes(files[name] + b"!")
    elif change == "name":
        path.rename(path.with_name("RENAMED"))
    elif change == "add":
        (again / "EXTRA").write_bytes(b"")
    elif len(files) > 1:
        path.unlink()
    else:
        return
    assert artifact.digest(again.as_uri()) != before


def test_missing_empty_linked_and_single_files_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "weights").symlink_to(tmp_path / "file")
    for name, match in {
        "gone": "missing or empty",
        "empty": "missing or empty",
        "file": "not a folder",
        "linked": "holds the link weights",
    }.items():
        with pytest.raises(UserError, match=match) as error:
            artifact.digest((tmp_path / name).as_uri())
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="can't be read"):
        artifact.digest("nonsense://x")


def test_json_beside_the_weights_is_checked(tmp_path: Path) -> None:
    url = tmp_path.as_uri()
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "torn.json").write_text('{"a": ')
    assert artifact.read_json(url, "none.json") == {}
    for name, match in {"none.json": "is missing", "list.json": "no JSON object", "torn.json": "can't be read"}.items():
        with pytest.raises(UserError, match=match):
            artifact.read_json(url, name, required=True)
