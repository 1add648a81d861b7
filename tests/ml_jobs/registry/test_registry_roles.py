"""Every role at every important door of the registry, and those who have no token of this stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ml_jobs.identity import Role, mint, new_key

if TYPE_CHECKING:
    from conftest import Server

API = "/api/2.0/mlflow"
ALL = set(Role)
WRITERS = {Role.TRAINER, Role.ADMIN}
ADMIN = {Role.ADMIN}

DOORS: list[tuple[str, str, Any, set[Role]]] = [
    ("GET", "/metrics", None, ALL),
    ("GET", "/api/skywright/models", None, ALL),
    ("GET", "/api/skywright/models/nothing/versions/1", None, ALL),
    ("GET", "/api/skywright/approvals/nothing", None, ALL),
    ("POST", "/api/skywright/models/nothing/versions", {}, WRITERS),
    ("POST", "/api/skywright/approvals", {}, {Role.APPROVER}),
    ("POST", "/api/skywright/verify", {}, ALL),
    ("DELETE", "/api/skywright/models/nothing/versions/1", None, set()),
    ("GET", f"{API}/experiments/get-by-name?experiment_name=skywright", None, ALL),
    ("GET", f"{API}/model-versions/search", None, ALL),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=", None, ALL),
    ("POST", f"{API}/runs/search", {"experiment_ids": []}, ALL),
    ("POST", f"{API}/runs/create", {"experiment_id": "1"}, WRITERS),
    ("POST", f"{API}/runs/log-batch", {"run_id": "x"}, WRITERS),
    ("POST", f"{API}/runs/log-metric", {}, WRITERS),
    ("POST", f"{API}/runs/update", {"run_id": "x"}, WRITERS),
    ("POST", f"{API}/registered-models/create", {}, WRITERS),
    ("POST", f"{API}/runs/delete", {"run_id": "x"}, ADMIN),
    ("POST", f"{API}/experiments/delete", {"experiment_id": "77"}, ADMIN),
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/x", None, ADMIN),
    ("POST", f"{API}/registered-models/alias", {}, ADMIN),
    ("POST", f"{API}/model-versions/create", {"name": "m", "source": "/etc"}, set()),
    ("POST", f"{API}/model-versions/set-tag", {"name": "m", "version": "1"}, set()),
    ("DELETE", f"{API}/model-versions/delete", {"name": "m", "version": "1"}, set()),
    ("POST", f"{API}/model-versions/transition-stage", {}, set()),
    ("DELETE", f"{API}/registered-models/delete", {"name": "m"}, set()),
    ("POST", "/ajax-api/2.0/mlflow/model-versions/set-tag", {}, set()),
    ("POST", f"{API}/webhooks", {}, set()),
    ("GET", "/api/3.0/mlflow/gateway/secrets/list", None, set()),
    ("POST", "/api/3.0/mlflow/gateway/secrets/create", {}, set()),
    ("POST", "/graphql", {}, set()),
    ("GET", "/", None, set()),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"), DOORS, ids=[f"{door[0]} {door[1][:60]}" for door in DOORS]
)
def test_a_door_opens_for_its_roles_alone(
    server: Server, method: str, path: str, body: Any, allowed: set[Role]
) -> None:
    opened = {role for role in Role if server.request(method, path, role, body).status_code not in (401, 403)}
    assert opened == allowed
    assert server.request(method, path, None, body).status_code == 401


def test_health_needs_no_token(server: Server) -> None:
    answer = server.request("GET", "/healthz", None)
    assert answer.json()["name"] == "registry"
    assert answer.json()["root"] == str(server.root)


def test_strange_tokens_are_refused_in_one_line(server: Server) -> None:
    private = (server.root / "identity" / "issuer.key").read_bytes()
    tokens = ["nonsense", mint(private, Role.ADMIN, stack="another"), mint(new_key()[0], Role.ADMIN, stack="test")]
    for token in tokens:
        headers = {"authorization": f"Bearer {token}"}
        answer = server.http.get(f"{server.url}/api/skywright/models", headers=headers)
        assert answer.status_code == 401
        assert "not one of stack test's" in answer.json()["error"]
        assert token not in answer.text


def test_a_refusal_names_the_role_and_is_audited(server: Server) -> None:
    before = len(server.audit())
    answer = server.request("POST", f"{API}/runs/create", Role.VIEWER, {})
    assert answer.status_code == 403
    assert answer.json()["error"] == ("role viewer may not POST /api/2.0/mlflow/runs/create; allowed: admin, trainer.")
    [entry] = server.audit()[before:]
    assert (entry["role"], entry["what"], entry["outcome"]) == ("viewer", "POST /api/2.0/mlflow/runs/create", "refused")


def test_no_secret_is_in_the_log_or_the_audit(server: Server) -> None:
    said = server.log + (server.artifacts / "audit" / "log.jsonl").read_text()
    assert all(server.token(role) not in said for role in Role)
