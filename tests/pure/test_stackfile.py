"""Edits of a stack file: all else stays byte for byte; a failed change is taken back; a bad disk loses nothing."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import SkywrightError, UserError
from infra import stackfile, yamltext
from infra.stackfile import StackFile

TEXT = """\
# The demo stack.
secretsprovider: passphrase   # asked for once

config:
  skywright:cloud: local  # this machine

  # What answers requests.
  skywright:endpoint:
    name: 'predict'
    # Written by `skywright release`.
    releases: {}   # none yet
  skywright:training:
    pools:
      spot: {is_spot: true, max_count: 2}
      on-demand:
        max_count: 1   # dear
        # room for another
encryptionsalt: v1:abc=:v1:def
# The end.
"""
RELEASE = {"model": "digits", "version": 3, "artifact_sha256": "12" * 32, "weight_percent": 90.5, "approval_ref": None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(TEXT)
    return file


def test_a_release_is_added_where_it_belongs_and_taken_away_again(path: Path) -> None:
    file = StackFile.read(path)
    file.set("skywright:endpoint.releases.first", RELEASE)
    assert file.text == TEXT.replace(
        "    releases: {}   # none yet\n",
        "    releases:   # none yet\n      first:\n        model: digits\n        version: 3\n"
        f'        artifact_sha256: "{"12" * 32}"\n        weight_percent: 90.5\n        approval_ref:\n',
    )
    assert file.get("skywright:endpoint.releases.first") == RELEASE
    file.set("skywright:endpoint.releases", {"second": RELEASE})
    assert list(file.get("skywright:endpoint.releases")) == ["second"]
    assert file.remove("skywright:endpoint.releases.second")
    assert file.get("skywright:endpoint.releases") == {}
    assert "# none yet" in file.text and "# Written by" in file.text
    assert not file.remove("skywright:endpoint.releases.second")


def test_a_value_changes_alone(path: Path) -> None:
    file = StackFile.read(path)
    file.set("skywright:cloud", "aws")
    file.set("skywright:training.pools.on-demand.max_count", 4)
    file.set("skywright:region", "us-east-1")
    expected = TEXT.replace("cloud: local  #", "cloud: aws  #").replace("max_count: 1   #", "max_count: 4   #")
    assert file.text == expected.replace(
        "        # room for another\n", "        # room for another\n  skywright:region: us-east-1\n"
    )


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("", "skywright:cloud", "aws", "config:\n  skywright:cloud: aws\n"),
        ("# only words\n", "skywright:cloud", "aws", "# only words\nconfig:\n  skywright:cloud: aws\n"),
        ("config: {}\n", "skywright:cloud", "aws", "config:\n  skywright:cloud: aws\n"),
        ("config:\n", "skywright:cloud", "aws", "config:\n  skywright:cloud: aws\n"),
        ("config:\n  a:b: 1", "skywright:cloud", "aws", "config:\n  a:b: 1\n  skywright:cloud: aws"),
        ("config:\r\n  a:b: 1\r\n", "a:c", "on", 'config:\r\n  a:b: 1\r\n  a:c: "on"\r\n'),
        ("config:\n  a:b: |\n    x\n    y\n  a:c: 1\n", "a:b", "z", "config:\n  a:b: z\n  a:c: 1\n"),
        ("config:\n  a:b:\n  - 1\n  - 2 # two\n  a:c: 1\n", "a:b", [3], "config:\n  a:b:\n    - 3\n  a:c: 1\n"),
    ],
)  # fmt: skip
def test_shapes_of_files(tmp_path: Path, before: str, path: str, value: Any, after: str) -> None:
    file = StackFile(tmp_path / "f.yaml", before.encode())
    file.set(path, value)
    assert file.text == after


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config:\n  a: [1\n", "line 3, column 1"),
        ("config:\n  a: 1\n  a: 2\n", "line 3"),
        ("config:\n\ta: 1\n", "line 2"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("a: \x01\n", "not valid YAML"),
        ("a: &x\n  b: *x\n", "a value holds itself"),
    ],
)
def test_what_is_not_yaml_is_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        StackFile(tmp_path / "f.yaml", text.encode())
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["config:\n  a: &x {b: 1}\n  c: *x\n", "config:\n  a: &x 1\n  c: *x\n", "config: {a: {b: 1 # why\n  }}\n"],
)
def test_an_edit_that_would_touch_more_is_refused_and_nothing_changes(tmp_path: Path, text: str) -> None:
    file = StackFile(tmp_path / "f.yaml", text.encode())
    for path in ("config.a", "config.a.b", "config.c"):
        before = file.text
        try:
            file.set(path, "new")
        except UserError as error:
            assert "by hand" in str(error) and "\n" not in str(error)
            assert file.text == before == text
        else:
            assert file.get(path) == "new"
    with pytest.raises(UserError):
        StackFile(tmp_path / "f.yaml", text.encode()).set("config.a", "new")


def test_a_failed_up_gives_the_earlier_bytes_back_and_keeps_the_mode(path: Path) -> None:
    path.chmod(0o640)
    file = StackFile.read(path)
    file.set("skywright:endpoint.releases.first", RELEASE)
    with pytest.raises(KeyboardInterrupt), file.written():
        assert "first" in path.read_text()
        raise KeyboardInterrupt
    assert path.read_text() == TEXT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [*path.parent.iterdir()] == [path]


def test_what_the_engine_wrote_meanwhile_outlives_the_undo(path: Path) -> None:
    file = StackFile.read(path)
    file.set("skywright:endpoint.releases.first", RELEASE)
    file.set("skywright:cloud", "aws")
    with pytest.raises(SkywrightError), file.written():
        path.write_text(path.read_text().replace("v1:abc", "v1:new"))
        raise SkywrightError("the up failed")
    after = StackFile.read(path)
    assert after.get("encryptionsalt") == "v1:new=:v1:def"
    assert after.get("skywright:endpoint.releases") == {} and after.get("skywright:cloud") == "local"


def test_a_good_up_keeps_the_change(path: Path) -> None:
    file = StackFile.read(path)
    file.set("skywright:cloud", "aws")
    with file.written():
        pass
    assert StackFile.read(path).get("skywright:cloud") == "aws"


def test_a_file_that_somebody_else_changed_is_not_overwritten(path: Path) -> None:
    file = StackFile.read(path)
    file.set("skywright:cloud", "aws")
    path.write_text(TEXT + "# theirs\n")
    with pytest.raises(UserError, match="changed by somebody else"):
        file.write()
    assert path.read_text() == TEXT + "# theirs\n"


@pytest.mark.parametrize(("call", "number"), [("fsync", errno.ENOSPC), ("replace", errno.EROFS)])
def test_a_disk_that_refuses_leaves_the_file_and_no_litter(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    file = StackFile.read(path)
    file.set("skywright:cloud", "aws")
    monkeypatch.setattr(Path if call == "replace" else stackfile.os, call, refuse)
    with pytest.raises(SkywrightError) as caught:
        file.write()
    assert os.strerror(number) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_text() == TEXT
    assert [*path.parent.iterdir()] == [path]


KEYS = st.sampled_from(["a", "b", "on", "rel-1", "skywright:x", "123", "with space", "null"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 10**6), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
    st.sampled_from(["", "yes", "1e5", "0x1F", "12:30:45", "2024-01-01",
                     "a: b", "# no", "a #b", "'q'", "ü", "x" * 300]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[list[str], str]]]:
    """A block YAML text with a comment at every key, and each key's path with its comment."""
    comments: list[tuple[list[str], str]] = []

    def block(depth: int, path: list[str]) -> str:
        lines = ""
        for key in draw(st.lists(KEYS, min_size=1, max_size=3, unique=True)):
            own = [*path, key]
            mark = f"c{len(comments)}c"
            comments.append((own, mark))
            pad = " " * (2 * depth)
            lines += f"{pad}# above {mark}\n" + ("\n" if draw(st.booleans()) else "")
            written = yamltext.dump(key)
            if depth < 3 and draw(st.booleans()):
                lines += f"{pad}{written}:  # behind {mark}\n" + block(depth + 1, own)
            else:
                scalar = draw(st.sampled_from(["1", "'x'", '"y"', "plain text", "{}", "[1, 2]", "{p: 1}", ""]))
                lines += f"{pad}{written}: {scalar} # behind {mark}\n"
        return lines

    return "config:\n" + block(1, []) + "# last\n", comments


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.data())
def test_any_edit_leaves_everything_else_as_it_was(
    document: tuple[str, list[tuple[list[str], str]]], data: st.DataObject
) -> None:
    text, comments = document
    file = StackFile(Path("f.yaml"), text.encode())
    target, _ = data.draw(st.sampled_from(comments))
    if data.draw(st.booleans()):
        target = [*target[:-1], "added"]
    dotted = ".".join(["config", *target])
    is_removal = data.draw(st.integers(0, 3)) == 0
    value = data.draw(VALUES)
    wanted = file.get("config")
    below = wanted
    for part in target[:-1]:
        below = below[part]
    if is_removal:
        below.pop(target[-1], None)
        file.remove(dotted)
    else:
        below[target[-1]] = value
        file.set(dotted, value)
    assert yamltext.parse(file.text) == {"config": wanted}

    lines, kept = text.splitlines(), file.text.splitlines()
    for path, mark in comments:
        if path[: len(target)] == target:
            continue
        above, behind = [line for line in lines if f" {mark}" in line]
        assert above in kept
        own = [line for line in kept if f"behind {mark}" in line]
        assert len(own) == 1
        if path != target[: len(path)]:
            assert own == [behind]
    assert kept[-1] == "# last"


def test_an_undo_never_takes_back_what_somebody_else_decided(path: Path) -> None:
    file = StackFile.read(path)
    file.set("skywright:cloud", "aws")
    with pytest.raises(UserError, match="changed by somebody else"), file.written():
        path.write_text(path.read_text().replace("cloud: aws", "cloud: gcp"))
        raise SkywrightError("the up failed")
    assert StackFile.read(path).get("skywright:cloud") == "gcp"


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    refusals = []

    def add(number: int) -> None:
        for _ in range(200):
            file = StackFile.read(path)
            file.set(f"skywright:endpoint.releases.r{number}", RELEASE)
            try:
                return file.write()
            except UserError as error:
                refusals.append(error)
        raise AssertionError("never got through")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(6)))
    assert sorted(StackFile.read(path).get("skywright:endpoint.releases")) == [f"r{number}" for number in range(6)]


def test_a_shared_block_is_not_changed_for_one_of_its_users(tmp_path: Path) -> None:
    file = StackFile(tmp_path / "f.yaml", b"config:\n  a: &x\n    b: 1\n  c: *x\n")
    with pytest.raises(UserError, match="anchor"):
        file.set("config.a.b", 2)
    assert file.get("config.c.b") == 1
