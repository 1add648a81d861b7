"""The chained log: what was written stays, and any change to it is found."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import SkywrightError, UserError
from ml_jobs import audit
from ml_jobs.audit import GENESIS, Break, ChainedLog, chain_hash

ENTRIES = 6


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    log = ChainedLog(tmp_path_factory.mktemp("log") / "log.jsonl")
    for number in range(ENTRIES):
        log.append(who="ann", what=f"change {number}", after={"n": number})
    return log.path.read_bytes().splitlines()


@pytest.fixture
def log(tmp_path: Path, lines: list[bytes]) -> ChainedLog:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return ChainedLog(path)


def test_a_log_holds_from_its_first_line_to_its_last(log: ChainedLog) -> None:
    assert log.verify() is None
    entries = log.entries()
    assert [entry["seq"] for entry in entries] == list(range(1, ENTRIES + 1))
    assert entries[0]["prev"] == GENESIS
    assert all(after["prev"] == before["hash"] for before, after in pairwise(entries))


def test_a_log_that_does_not_exist_is_whole_and_empty(tmp_path: Path) -> None:
    log = ChainedLog(tmp_path / "none.jsonl")
    assert log.verify() is None
    assert log.entries() == []


position = st.integers(0, ENTRIES - 1)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@quick
@given(at=position, data=st.data())
def test_one_altered_value_is_found_where_it_is(
    log: ChainedLog, lines: list[bytes], at: int, data: st.DataObject
) -> None:
    entry = json.loads(lines[at])
    key = data.draw(st.sampled_from(sorted(entry)))
    value = data.draw(st.one_of(st.none(), st.integers(), st.text(max_size=5)).filter(lambda new: new != entry[key]))
    changed = [*lines[:at], json.dumps({**entry, key: value}).encode(), *lines[at + 1 :]]
    log.path.write_bytes(b"\n".join(changed) + b"\n")
    broken = log.verify()
    assert broken is not None
    assert broken.line == at + 1


@quick
@given(at=position, shift=st.integers(1, 255), data=st.data())
def test_one_altered_byte_is_found(
    log: ChainedLog, lines: list[bytes], at: int, shift: int, data: st.DataObject
) -> None:
    line = bytearray(lines[at])
    spot = data.draw(st.integers(0, len(line) - 1))
    before = json.loads(lines[at])
    line[spot] = (line[spot] + shift) % 256
    try:
        if json.loads(bytes(line)) == before:  # the same entry, written in another way
            return
    except ValueError:
        pass
    log.path.write_bytes(b"\n".join([*lines[:at], bytes(line), *lines[at + 1 :]]) + b"\n")
    assert log.verify() is not None


@quick
@given(at=st.integers(0, ENTRIES - 2))
def test_a_removed_line_is_found(log: ChainedLog, lines: list[bytes], at: int) -> None:
    log.path.write_bytes(b"\n".join([*lines[:at], *lines[at + 1 :]]) + b"\n")
    assert log.verify() == Break(at + 1, "does not follow the line before it")


@quick
@given(at=position, source=position)
def test_an_inserted_line_is_found(log: ChainedLog, lines: list[bytes], at: int, source: int) -> None:
    log.path.write_bytes(b"\n".join([*lines[: at + 1], lines[source], *lines[at + 1 :]]) + b"\n")
    assert log.verify() is not None


@quick
@given(first=position, second=position)
def test_two_swapped_lines_are_found(log: ChainedLog, lines: list[bytes], first: int, second: int) -> None:
    swapped = list(lines)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    log.path.write_bytes(b"\n".join(swapped) + b"\n")
    assert (log.verify() is None) == (first == second)


def test_a_forged_entry_with_a_right_hash_of_its_own_breaks_the_next(log: ChainedLog, lines: list[bytes]) -> None:
    forged = {**json.loads(lines[2]), "who": "mallory"}
    forged["hash"] = chain_hash(forged)
    log.path.write_bytes(b"\n".join([*lines[:2], json.dumps(forged).encode(), *lines[3:]]) + b"\n")
    assert log.verify() == Break(4, "does not follow the line before it")


@pytest.mark.parametrize("kept", range(ENTRIES))
def test_a_cut_end_is_found(tmp_path: Path, kept: int) -> None:
    log = ChainedLog(tmp_path / "log.jsonl")
    for number in range(ENTRIES):
        log.append(n=number)
    log.path.write_bytes(b"".join(log.path.read_bytes().splitlines(keepends=True)[:kept]))
    assert log.verify() == Break(kept + 1, "is missing: the log was cut")


def test_a_log_that_was_removed_is_found(tmp_path: Path) -> None:
    log = ChainedLog(tmp_path / "log.jsonl")
    log.append(n=1)
    log.path.unlink()
    assert log.verify() == Break(1, "is missing: the log was cut")


def test_a_writer_killed_before_it_noted_the_end_leaves_a_whole_log(log: ChainedLog) -> None:
    log.append(n=1)
    noted = log._head.read_bytes()
    log.append(n=2)
    log._head.write_bytes(noted)
    assert log.verify() is None


def test_a_torn_last_line_is_named_and_what_follows_still_chains(log: ChainedLog) -> None:
    with open(log.path, "ab") as file:
        file.write(b'{"seq": 7, "wh')  # the writer was killed here
    entry = log.append(what="after the crash")
    assert entry["seq"] == ENTRIES + 1
    assert log.verify() == Break(ENTRIES + 1, "not a JSON object")
    assert [line["seq"] for line in log.entries()] == list(range(1, ENTRIES + 2))


def test_entries_longer_than_one_read_still_chain(tmp_path: Path) -> None:
    log = ChainedLog(tmp_path / "long.jsonl")
    for size in (10, 70_000, 300_000, 5):
        log.append(text="x" * size)
    assert log.verify() is None
    assert [entry["seq"] for entry in log.entries()] == [1, 2, 3, 4]


APPEND = """
import sys
from pathlib import Path
from ml_jobs.audit import ChainedLog
log = ChainedLog(Path(sys.argv[1]))
for number in range(60):
    log.append(by=sys.argv[2], number=number)
"""


def test_two_processes_that_append_at_once_keep_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "shared.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", APPEND, str(path), name]) for name in ("a", "b")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    log = ChainedLog(path)
    assert log.verify() is None
    for name in ("a", "b"):
        assert [entry["number"] for entry in log.entries() if entry["by"] == name] == list(range(60))


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(SkywrightError, match=r"can't be written: .*Free the disk"):
        ChainedLog(tmp_path / "log.jsonl").append(what="x")


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("")
    with pytest.raises(SkywrightError, match="can't be written"):
        audit.record(tmp_path.as_uri(), who="ann", role="admin", what="x")


def test_a_record_says_who_did_what_to_what(tmp_path: Path) -> None:
    audit.record(tmp_path.as_uri(), who="ann", role="admin", what="lift a hold", target="h1", before=1, after=2)
    [entry] = audit.audit(tmp_path.as_uri()).entries()
    assert {key: entry[key] for key in ("who", "role", "what", "target", "before", "after", "outcome")} == {
        "who": "ann",
        "role": "admin",
        "what": "lift a hold",
        "target": "h1",
        "before": 1,
        "after": 2,
        "outcome": "done",
    }


@pytest.mark.parametrize("store", ["s3://b/artifacts", "gs://b", "abfss://artifacts@a.dfs.core.windows.net"])
def test_a_cloud_has_no_chain_of_ours_that_could_be_whole(store: str) -> None:
    with pytest.raises(UserError, match="platform's own audit log"):
        audit.audit(store)
