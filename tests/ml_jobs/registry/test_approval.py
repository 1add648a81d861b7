"""Approvals: what the approver signed counts, where they signed it, and nothing else does."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from ml_jobs.audit import GENESIS, chain_hash
from ml_jobs.identity import new_key
from ml_jobs.registry import approval as approvals
from ml_jobs.registry.approval import Approval, ApprovalLog, Decision, Entry, check, is_signed, sign
from ml_jobs.registry.record import Damaged, State

PRIVATE, PUBLIC = new_key()
OTHER_PRIVATE, OTHER_PUBLIC = new_key()
SHA = "a" * 64


def decision(prev: str = GENESIS, *, version: int = 1, approved: bool = True, **fields: Any) -> Approval:
    return Approval(
        **{
            "model": "digits",
            "version": version,
            "artifact_sha256": SHA,
            "decision": Decision.APPROVED if approved else Decision.REJECTED,
            "by": "bob",
            "at": round(time.time(), 3),
            "reason": "good",
            "evaluation": {"accuracy": 0.98, "primary": "accuracy"},
            "prev": prev,
            **fields,
        }
    )


def write(log: ApprovalLog, *steps: tuple[int, bool]) -> list[Entry]:
    entries: list[Entry] = []
    for version, approved in steps:
        record = decision(approvals.head(entries), version=version, approved=approved)
        entries.append(log.append(record, sign(record, PRIVATE)))
    return entries


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    log = ApprovalLog(tmp_path_factory.mktemp("artifacts"), "digits")
    write(log, (1, True), (2, True), (1, False), (3, True), (2, False))
    return log.log.entries()


def rechained(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What somebody without the key can do to hide a change: compute all hashes again."""
    previous, result = GENESIS, []
    for number, line in enumerate(lines, 1):
        entry = {**line, "seq": number, "prev": previous}
        entry["hash"] = previous = chain_hash(entry)
        result.append(entry)
    return result


def test_a_log_that_nobody_touched_is_proven_with_the_public_key(lines: list[dict[str, Any]]) -> None:
    entries = check(lines, PUBLIC, model="digits")
    assert [(entry.approval.version, entry.approval.decision.value) for entry in entries] == [
        (1, "approved"),
        (2, "approved"),
        (1, "rejected"),
        (3, "approved"),
        (2, "rejected"),
    ]
    assert check(rechained(lines), PUBLIC, model="digits") == entries


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", 9),
        ("artifact_sha256", "b" * 64),
        ("decision", "approved"),
        ("by", "mallory"),
        ("at", 1.0),
        ("reason", "better"),
        ("evaluation", {"accuracy": 1.0}),
        ("compared_with", 4),
        ("override", "because"),
        ("model", "faces"),
        ("prev", GENESIS),
        ("unsigned", "extra"),
    ],
)
@pytest.mark.parametrize("is_rechained", [False, True])
def test_an_altered_field_is_found(lines: list[dict[str, Any]], field: str, value: Any, is_rechained: bool) -> None:
    forged = [*lines[:2], {**lines[2], "approval": {**lines[2]["approval"], field: value}}, *lines[3:]]
    with pytest.raises(Damaged, match="line 3"):
        check(rechained(forged) if is_rechained else forged, PUBLIC, model="digits")


shuffles = st.permutations(range(5)).filter(lambda order: list(order) != list(range(5)))
subsets = st.sets(st.integers(0, 4), max_size=4).filter(lambda kept: sorted(kept) != list(range(len(kept))))
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@quick
@given(order=shuffles)
def test_re_ordered_records_are_found_even_with_new_hashes(lines: list[dict[str, Any]], order: list[int]) -> None:
    with pytest.raises(Damaged):
        check(rechained([lines[index] for index in order]), PUBLIC, model="digits")


@quick
@given(kept=subsets)
def test_records_cut_out_are_found_even_with_new_hashes(lines: list[dict[str, Any]], kept: set[int]) -> None:
    with pytest.raises(Damaged):
        check(rechained([lines[index] for index in sorted(kept)]), PUBLIC, model="digits")


@quick
@given(again=st.integers(0, 4))
def test_an_old_approval_shown_again_is_found(lines: list[dict[str, Any]], again: int) -> None:
    with pytest.raises(Damaged, match="line 6 was signed for another place"):
        check(rechained([*lines, lines[again]]), PUBLIC, model="digits")


def test_a_record_that_is_unsigned_or_of_another_key_is_found(lines: list[dict[str, Any]]) -> None:
    record = decision(lines[-1]["hash"], version=3)
    for signature in ("", None, 7, "AAAA", "no base64!", sign(record, OTHER_PRIVATE), lines[0]["signature"]):
        forged = rechained([*lines, {"approval": record.model_dump(mode="json"), "signature": signature}])
        with pytest.raises(Damaged, match="line 6 is not signed"):
            check(forged, PUBLIC, model="digits")
    with pytest.raises(Damaged, match="line 1 is not signed"):
        check(lines, OTHER_PUBLIC, model="digits")


def test_lines_that_are_no_records_are_found(lines: list[dict[str, Any]]) -> None:
    for junk in ({}, {"approval": None}, {"approval": 7, "signature": 8}, {"approval": {"model": "digits"}}):
        with pytest.raises(Damaged, match="line 6 holds no approval"):
            check(rechained([*lines, junk]), PUBLIC, model="digits")
    with pytest.raises(Damaged, match="line 6 is not a JSON object"):
        check([*lines, None], PUBLIC, model="digits")


def test_another_models_log_is_no_log_of_this_one(lines: list[dict[str, Any]]) -> None:
    with pytest.raises(Damaged, match="is about model digits"):
        check(lines, PUBLIC, model="faces")


@quick
@given(data=st.data())
def test_any_flipped_bit_of_the_file_is_found(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]], data: st.DataObject
) -> None:
    text = bytearray("\n".join(json.dumps(line, sort_keys=True) for line in lines).encode() + b"\n")
    spot = data.draw(st.integers(0, len(text) - 2))
    text[spot] ^= 1 << data.draw(st.integers(0, 6))
    log = ApprovalLog(tmp_path_factory.mktemp("bits"), "digits")
    log.log.path.parent.mkdir()
    log.log.path.write_bytes(bytes(text))
    with pytest.raises(Damaged):
        log.entries(PUBLIC)


@pytest.mark.parametrize(
    ("steps", "states", "standing"),
    [
        ([], {1: State.PENDING}, []),
        ([(1, True)], {1: State.APPROVED, 2: State.PENDING}, [0]),
        ([(1, False)], {1: State.REJECTED}, []),
        ([(1, True), (1, False)], {1: State.REJECTED}, []),
        ([(1, True), (2, False)], {1: State.APPROVED, 2: State.REJECTED}, [0]),
        ([(1, True), (1, False), (1, True)], {1: State.APPROVED}, [2]),
        ([(1, True), (1, True)], {1: State.APPROVED}, [0, 1]),
    ],
)
def test_the_last_decision_stands_and_a_rejection_revokes(
    tmp_path: Path, steps: list[tuple[int, bool]], states: dict[int, State], standing: list[int]
) -> None:
    log = ApprovalLog(tmp_path, "digits")
    entries = write(log, *steps)
    assert log.entries(PUBLIC) == entries
    assert {version: approvals.state(entries, version) for version in states} == states
    assert [index for index, entry in enumerate(entries) if approvals.stands(entries, entry.hash) is None] == standing
    assert approvals.stands(entries, "f" * 64) is not None


def test_the_key_must_be_one(tmp_path: Path) -> None:
    record = decision()
    for wrong in (b"", b"key", PUBLIC):
        with pytest.raises(UserError, match="Ed25519 key in PEM"):
            sign(record, wrong)
    for wrong in (b"", b"key", PRIVATE):
        with pytest.raises(UserError, match="Ed25519 key in PEM"):
            is_signed(record, sign(record, PRIVATE), wrong)


def test_a_record_must_say_something() -> None:
    for fields in (
        {"reason": ""},
        {"reason": "  "},
        {"by": ""},
        {"override": " "},
        {"at": float("nan")},
        {"version": 0},
    ):
        with pytest.raises(ValueError, match="validation error"):
            decision(**fields)
