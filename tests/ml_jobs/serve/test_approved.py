"""A server proves a release's approval before it loads the model, or says that nobody has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving_house import House, answers, eventually, make_artifact

from catalog.errors import SkywrightError
from ml_jobs.audit import GENESIS, ChainedLog, chain_hash
from ml_jobs.contract import Release
from ml_jobs.identity import new_key
from ml_jobs.registry.approval import Approval, ApprovalLog, Decision, sign
from ml_jobs.serve.approved import unproven

PRIVATE, PUBLIC = new_key()
DIGEST = "a" * 64


def decide(artifacts: Path, *, version: int = 3, decision: Decision = Decision.APPROVED, **changes: Any) -> str:
    """Append a signed decision about the model `toy`; what a release calls it."""
    log = ApprovalLog(artifacts, "toy")
    last = [line for line in log.log.lines() if line]
    key = changes.pop("key", PRIVATE)
    fields = {"model": "toy", "version": version, "artifact_sha256": DIGEST, "decision": decision, "by": "ada",
              "at": 1.0, "reason": "good", "prev": last[-1]["hash"] if last else GENESIS, **changes}  # fmt: skip
    approval = Approval.model_validate(fields)
    return log.ref(log.append(approval, sign(approval, key)))


def release(ref: str | None, **changes: Any) -> Release:
    return Release.model_validate(
        {"model": "toy", "version": 3, "artifact_url": "file:///x", "artifact_sha256": DIGEST, "approval_ref": ref}
        | changes
    )


def rewritten(artifacts: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """The last line altered by somebody who can compute the chain anew; its new name."""
    path = artifacts / "approvals" / "toy.jsonl"
    *before, last = path.read_text().splitlines()
    entry = json.loads(last)
    change(entry)
    entry["hash"] = chain_hash(entry)
    path.write_text("\n".join([*before, json.dumps(entry)]) + "\n")
    return f"{path.as_uri()}#sha256={entry['hash']}"


@pytest.mark.parametrize("form", ["pem", "path", "url"])
def test_an_approval_that_was_signed_is_proven(tmp_path: Path, form: str) -> None:
    decide(tmp_path, version=2)
    ref = decide(tmp_path)
    file = tmp_path / "approver.pub"
    file.write_bytes(PUBLIC)
    assert unproven(release(ref), {"pem": PUBLIC.decode(), "path": str(file), "url": file.as_uri()}[form]) is None


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("forged", "line 2 is not signed by this stack's approver"),
        ("altered", "line 2 is not signed by this stack's approver"),
        ("unchained", "line 2 was altered"),
        ("moved", "line 1 does not follow the line before it"),
        ("another version", "it approves version 2"),
        ("another artifact", "it approves an artifact with sha256 " + "b" * 64),
        ("rejection", "that record is a rejection"),
        ("revoked", "that approval was revoked later"),
        ("no such record", "no such record is in the approval log"),
        ("no mark", "names no record"),
        ("no log", "is not there"),
        ("torn", "line 2 is not a JSON object"),
    ],
)
def test_an_approval_that_is_not_what_it_says_is_refused(tmp_path: Path, case: str, told: str) -> None:
    other = decide(tmp_path, version=2)
    ref = decide(tmp_path, artifact_sha256=("b" if case == "another artifact" else "a") * 64)
    path = tmp_path / "approvals" / "toy.jsonl"
    match case:
        case "forged":
            path.write_text(path.read_text().splitlines()[0] + "\n")
            ref = decide(tmp_path, key=new_key()[0])
        case "altered":
            ref = rewritten(tmp_path, lambda entry: entry["approval"].update(by="mallory"))
        case "unchained":
            path.write_text(path.read_text().replace("good", "fine"))
            path.write_text(path.read_text().replace("fine", "good", 1))
        case "moved":
            path.write_text(path.read_text().splitlines()[1] + "\n")
        case "another version":
            ref = other
        case "rejection":
            ref = decide(tmp_path, decision=Decision.REJECTED)
        case "revoked":
            decide(tmp_path, decision=Decision.REJECTED)
        case "no such record":
            ref = ref[:-64] + "0" * 64
        case "no mark":
            ref = ref.partition("#")[0]
        case "no log":
            path.unlink()
        case "torn":
            path.write_text(path.read_text().splitlines()[0] + "\n{\n")
    with pytest.raises(SkywrightError) as refused:
        unproven(release(ref), PUBLIC.decode())
    assert told in refused.value.what and "the approval of toy version 3 doesn't hold" in refused.value.what
    assert "skywright models approve toy 3" in str(refused.value)


def test_an_entry_that_is_being_written_is_none_yet(tmp_path: Path) -> None:
    ref = decide(tmp_path)
    with open(ChainedLog(tmp_path / "approvals" / "toy.jsonl").path, "a") as file:
        file.write('{"approval": {')
    assert unproven(release(ref), PUBLIC.decode()) is None


@pytest.mark.parametrize("key", [None, "", "arn:aws:kms:eu-west-1:1:key/a", "https://v.vault.azure.net/keys/k/1",
                                 "k8s://ml/configmaps/approver-key#approver.pub"])  # fmt: skip
def test_without_a_key_that_can_be_read_it_is_said_that_nothing_was_verified(tmp_path: Path, key: str | None) -> None:
    told = unproven(release(decide(tmp_path, key=new_key()[0])), key)
    assert told is not None and told.startswith("the approval of toy version 3 is not verified: ")


def test_a_release_without_an_approval_has_nothing_to_prove() -> None:
    assert unproven(release(None), PUBLIC.decode()) is None


@pytest.mark.parametrize("is_forged", [False, True])
def test_a_server_is_ready_by_a_proven_approval_alone(house: House, is_forged: bool) -> None:
    """By its environment, as an image runs it."""
    name = "forged" if is_forged else "signed"
    root = house.root / "approved" / name
    found = make_artifact(root / "model", version=3)
    key = new_key()[0] if is_forged else PRIVATE
    found["approval_ref"] = decide(root, artifact_sha256=found["artifact_sha256"], key=key)
    port, _ = house.container(found, SKYWRIGHT_APPROVER_KEY=PUBLIC.decode(), SKYWRIGHT_REQUIRES_APPROVAL="true")
    url = f"http://127.0.0.1:{port}/v2/health/ready"
    answer = eventually("it says whether it is ready", lambda: answers(url)() or _failed(url))
    log = house.log(f"container-{port}")
    if is_forged:
        assert answer.status_code == 503 and "is not signed by this stack's approver" in answer.json()["error"]
    else:
        assert answer.status_code == 200 and "not verified" not in log


def _failed(url: str) -> Any:
    found = answers(url, 503)()
    return found if found is not None and found.json().get("failed") else None


def test_a_server_without_a_key_serves_and_says_that_nothing_was_verified(house: House) -> None:
    root = house.root / "approved" / "unknown"
    found = make_artifact(root / "model", version=3)
    found["approval_ref"] = decide(root, artifact_sha256=found["artifact_sha256"])
    port, _ = house.container(found, SKYWRIGHT_APPROVER_KEY="arn:aws:kms:eu-west-1:1:key/a")
    eventually("the server is ready", answers(f"http://127.0.0.1:{port}/v2/health/ready"))
    assert "the approval of toy version 3 is not verified: arn:aws:kms" in house.log(f"container-{port}")


def test_a_local_server_takes_its_stacks_own_key(house: House) -> None:
    root = house.root / "approved" / "local"
    found = make_artifact(root / "model", version=3)
    found["approval_ref"] = decide(root, artifact_sha256=found["artifact_sha256"], key=new_key()[0])
    key = house.root / "identity" / "approver.pub"
    key.write_bytes(PUBLIC)
    try:
        url, _ = house.server("local-forged", found)
        answer = eventually("it says that it failed", lambda: _failed(f"{url}/v2/health/ready"))
    finally:
        key.unlink()
    assert "the approval of toy version 3 doesn't hold" in answer.json()["error"]
