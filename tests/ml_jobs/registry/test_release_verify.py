"""Approving and verifying against a running registry: what was altered or forged is refused, audited, and named."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pytest

from ml_jobs.audit import GENESIS, ChainedLog
from ml_jobs.identity import Caller, Refused, Role, new_key
from ml_jobs.local.registry.store import Registration, Store
from ml_jobs.registry.approval import Approval, sign
from ml_jobs.registry.client import Registry
from ml_jobs.registry.record import VersionRecord
from ml_jobs.registry.transport import Rejected

if TYPE_CHECKING:
    from conftest import Server


def approve(server: Server, model: str, version: int, **options: Any) -> dict[str, Any]:
    arguments = {"by": "bob", "reason": "good", "key": server.approver_key, **options}
    return server.client(Role.APPROVER).approve(model, version, **arguments)


def path_of(url: str) -> Path:
    return Path(urlparse(url).path)


@pytest.fixture
def approved(server: Server, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The release record of an approved version of a model of this test's own."""
    model = f"m{abs(hash(request.node.name)) % 10**12}"
    version = server.register(model, f"{model}-1")
    approve(server, model, version)
    return server.client(Role.VIEWER).release(model, version)


@pytest.fixture
def admin(server: Server) -> Registry:
    return server.client(Role.ADMIN)


def test_an_approved_version_verifies_and_its_record_says_who_and_why(
    server: Server, admin: Registry, approved: dict[str, Any]
) -> None:
    assert admin.verify({**approved, "weight_percent": 100}) == []
    record = admin.record(approved["model"], 1)
    assert record["state"] == "approved"
    assert (record["approval"]["by"], record["approval"]["reason"]) == ("bob", "good")
    assert record["approval"]["ref"] == approved["approval_ref"]
    [entry] = [line for line in server.audit() if line["target"] == f"{approved['model']}/1"][-1:]
    assert (entry["who"], entry["role"], entry["after"]["decision"]) == ("bob", "approver", "approved")


@pytest.mark.parametrize(
    ("field", "value", "mismatch"),
    [
        ("artifact_sha256", "0" * 64, "artifact_sha256 is 000"),
        ("artifact_url", "file:///tmp/other", "artifact_url is file:///tmp/other"),
        ("version", 2, "has no version 2"),
        ("model", "nobody", "model 'nobody' is unknown"),
        ("approval_ref", None, "approval_ref is missing"),
        ("approval_ref", "file:///tmp/mine.jsonl#sha256=" + "0" * 64, "the approvals of"),
        ("approval_ref", "nonsense", "the approvals of"),
    ],
)
def test_a_hand_forged_release_is_refused_and_audited(
    server: Server, admin: Registry, approved: dict[str, Any], field: str, value: Any, mismatch: str
) -> None:
    [found] = admin.verify({**approved, field: value})
    assert mismatch in found
    assert "\n" not in found
    entry = server.audit()[-1]
    assert (entry["what"], entry["outcome"], entry["after"]) == (
        "release a version",
        "refused",
        {"mismatches": [found]},
    )


def test_an_unknown_approval_hash_and_every_other_mismatch_are_all_named(
    admin: Registry, approved: dict[str, Any]
) -> None:
    log = approved["approval_ref"].partition("#")[0]
    forged = {**approved, "approval_ref": f"{log}#sha256={'0' * 64}", "artifact_sha256": "1" * 64}
    assert len(admin.verify(forged)) == 2


def test_an_approval_of_another_version_does_not_count(server: Server, admin: Registry, approved: Any) -> None:
    model = approved["model"]
    second = server.register(model, f"{model}-2")
    release = {**admin.release(model, second), "approval_ref": approved["approval_ref"]}
    assert admin.verify(release) == ["approval_ref approves version 1, not 2"]
    assert admin.verify({**release, "approval_ref": None}, requires_approval=False) == []


def test_a_rejection_revokes_and_a_new_approval_has_a_new_ref(
    server: Server, admin: Registry, approved: dict[str, Any]
) -> None:
    model = approved["model"]
    server.client(Role.APPROVER).reject(model, 1, by="eve", reason="biased", key=server.approver_key)
    assert admin.record(model, 1)["state"] == "rejected"
    assert admin.release(model, 1)["approval_ref"] is None
    assert "revoked later" in admin.verify(approved)[0]
    approve(server, model, 1)
    assert admin.verify(admin.release(model, 1)) == []
    assert "revoked later" in admin.verify(approved)[0]


@pytest.mark.parametrize("change", ["content", "added", "removed"])
def test_altered_files_are_neither_released_nor_approved(
    server: Server, admin: Registry, approved: dict[str, Any], change: str
) -> None:
    folder = path_of(approved["artifact_url"])
    if change == "content":
        (folder / "weights.safetensors").write_bytes(b"evil")
    elif change == "added":
        (folder / "hook.py").write_text("evil")
    else:
        (folder / "card.md").unlink()
    answer = server.request("POST", "/api/skywright/verify", Role.ADMIN, {"release": approved})
    assert answer.status_code == 409
    assert "were altered" in answer.json()["error"]
    with pytest.raises(Rejected, match="were altered"):
        approve(server, approved["model"], 1)


@pytest.mark.parametrize("attack", ["cut", "removed", "emptied", "altered"])
def test_an_approval_log_that_was_tampered_with_counts_for_nothing(
    server: Server, admin: Registry, approved: dict[str, Any], attack: str
) -> None:
    model = approved["model"]
    approve(server, model, 1, reason="again")
    server.client(Role.APPROVER).reject(model, 1, by="bob", reason="wrong", key=server.approver_key)
    path = path_of(approved["approval_ref"].partition("#")[0])
    lines = path.read_bytes().splitlines(keepends=True)
    path.with_name(f".{path.name}.head").unlink()  # who can cut the log can remove what notes its length
    if attack == "cut":  # the rejection goes, the approvals stay
        path.write_bytes(b"".join(lines[:-1]))
    elif attack == "removed":
        path.unlink()
    elif attack == "emptied":
        path.write_bytes(b"")
    else:
        path.write_bytes(b"".join(lines).replace(b'"rejected"', b'"approved"'))
    assert "is damaged" in admin.verify(approved)[0]
    assert "approvals" in admin.record(model, 1)["problem"]
    with pytest.raises(Rejected, match="nothing in it counts"):
        admin.approvals(model)


def forged(server: Server, model: str, **fields: Any) -> Approval:
    client = server.client(Role.VIEWER)
    record = client.record(model, 1)
    return Approval.model_validate(
        {
            "model": model,
            "version": 1,
            "artifact_sha256": record["artifact_sha256"],
            "decision": "approved",
            "by": "mallory",
            "at": time.time(),
            "reason": "trust me",
            "prev": client.approvals(model)["head"],
            **fields,
        }
    )


FORGERIES: dict[str, tuple[dict[str, Any], int, str]] = {
    "unsigned": ({}, 403, "not signed"),
    "other key": ({}, 403, "not signed"),
    "altered after signing": ({}, 403, "not signed"),
    "unsigned field": ({}, 400, "allowed: the fields"),
    "other digest": ({"artifact_sha256": "0" * 64}, 409, "is about the digest"),
    "old": ({"at": 1000.0}, 409, "off the registry's"),
    "other place": ({"prev": "1" * 64}, 409, "another decision was written"),
    "unknown version": ({"version": 9}, 404, "has no version 9"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_approval_is_refused_and_nothing_is_written(
    server: Server, approved: dict[str, Any], case: str
) -> None:
    fields, status, message = FORGERIES[case]
    approval = forged(server, approved["model"], **fields)
    key = new_key()[0] if case == "other key" else server.approver_key
    body: dict[str, Any] = {"approval": approval.model_dump(mode="json"), "signature": sign(approval, key)}
    if case == "unsigned":
        del body["signature"]
    elif case == "altered after signing":
        body["approval"]["by"] = "bob"
    elif case == "unsigned field":
        body["approval"]["extra"] = 1
    before = server.client(Role.VIEWER).approvals(approved["model"])
    answer = server.request("POST", "/api/skywright/approvals", Role.APPROVER, body)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text
    assert server.client(Role.VIEWER).approvals(approved["model"]) == before
    if status != 400:
        assert (server.audit()[-1]["outcome"], server.audit()[-1]["what"]) == ("refused", "decide on a version")


def test_a_replayed_approval_is_refused(server: Server, approved: dict[str, Any]) -> None:
    approval = forged(server, approved["model"])
    body = {"approval": approval.model_dump(mode="json"), "signature": sign(approval, server.approver_key)}
    assert server.request("POST", "/api/skywright/approvals", Role.APPROVER, body).status_code == 201
    assert server.request("POST", "/api/skywright/approvals", Role.APPROVER, body).status_code == 409


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.APPROVER])
def test_only_the_approver_decides_even_with_the_key(server: Server, approved: dict[str, Any], role: Role) -> None:
    with pytest.raises(Refused, match=f"role {role.value} may not POST /api/skywright/approvals"):
        server.client(role).approve(approved["model"], 1, by="x", reason="y", key=server.approver_key)
    assert server.audit()[-1]["outcome"] == "refused"


def test_a_regression_against_production_needs_an_override(server: Server) -> None:
    server.register("worse", "worse-1", accuracy=0.98)
    server.register("worse", "worse-2", accuracy=0.90)
    with pytest.raises(Rejected, match=r"accuracy falls from 0.98 to 0.9 .*Approve with an override"):
        approve(server, "worse", 2, production=1)
    record = approve(server, "worse", 2, production=1, override="smaller and fast enough")
    assert (record["compared_with"], record["override"]) == (1, "smaller and fast enough")


class NoIndex:
    """A tracking database that isn't asked for."""

    def wait(self) -> None: ...
    def ensure_run(self, record: VersionRecord) -> str:
        return "run"

    def index(self, record: VersionRecord) -> None: ...


@pytest.mark.parametrize(
    ("requires", "by", "is_refused"), [(True, "ann", True), (True, "bob", False), (False, "ann", False)]
)
def test_a_second_person_approves_where_the_stack_asks_for_it(
    tmp_path: Path, requires: bool, by: str, is_refused: bool
) -> None:
    private, public = new_key()
    folder = tmp_path / "models" / "digits" / "job-1"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({"model": "digits"}))
    store = Store(tmp_path, NoIndex(), approver_key=public, requires_second_person=requires)
    asked = Registration(artifact_url=folder.as_uri(), job="job-1", by="ann")
    version = store.register("digits", asked, Caller(Role.TRAINER, "trainer"))
    approval = Approval.model_validate(
        {
            "model": "digits",
            "version": 1,
            "artifact_sha256": version["artifact_sha256"],
            "decision": "approved",
            "by": by,
            "at": time.time(),
            "reason": "good",
            "prev": GENESIS,
        }
    )
    caller = Caller(Role.APPROVER, "approver")
    if is_refused:
        with pytest.raises(Refused, match="ann submitted digits 1 and may not approve it"):
            store.decide(approval, sign(approval, private), caller)
        assert ChainedLog(tmp_path / "audit" / "log.jsonl").entries()[-1]["outcome"] == "refused"
    else:
        assert store.decide(approval, sign(approval, private), caller)["by"] == by
    assert store.record("digits", 1)["state"] == ("pending" if is_refused else "approved")
