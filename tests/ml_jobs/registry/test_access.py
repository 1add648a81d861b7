"""The access middleware: the first rule that matches decides, and what none matches stays shut."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ml_jobs.audit import audit
from ml_jobs.identity import ANYBODY, Role, mint, new_key
from ml_jobs.local.access import Access, Rule
from ml_jobs.local.process import ServiceConfig

PRIVATE, PUBLIC = new_key()

RULES: tuple[Rule, ...] = (
    ("GET", r"/open", None),
    ("GET|HEAD", r"/things/[^/]+", ANYBODY),
    ("*", r"/things/locked", {Role.ADMIN}),
    ("POST", r"/things", {Role.TRAINER, Role.ADMIN}),
    ("*", r"/nobody", ()),
)


class Client:
    """Requests to an app in this process."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def request(self, method: str, path: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test", trust_env=False) as client:
                return await client.request(method, f"http://test{path}", headers=headers)

        return asyncio.run(ask())

    def get(self, path: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.request("POST", path, headers=headers)


@pytest.fixture
def config(tmp_path: Path) -> ServiceConfig:
    (tmp_path / "issuer.pub").write_bytes(PUBLIC)
    return ServiceConfig(
        name="thing",
        stack="test",
        environment="dev",
        root=str(tmp_path),
        port=1,
        issuer_key=str(tmp_path / "issuer.pub"),
        artifacts_url=tmp_path.as_uri(),
        holds_file=str(tmp_path / "holds.jsonl"),
    )


@pytest.fixture
def client(config: ServiceConfig) -> Client:
    async def who(request: Request) -> JSONResponse:
        caller = request.scope.get("caller")
        return JSONResponse(caller.role.value if caller else None)

    routes = [Route("/{path:path}", who, methods=["GET", "POST", "DELETE", "PUT"])]
    return Client(Starlette(routes=routes, middleware=[Middleware(Access, config=config, rules=RULES)]))


def headers(role: Role | None, **kwargs: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {mint(PRIVATE, role, stack='test', **kwargs)}"} if role else {}


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("GET", "/open", None, 200),
        ("POST", "/open", None, 401),
        ("POST", "/open", Role.ADMIN, 403),
        ("GET", "/things/1", None, 401),
        ("GET", "/things/1", Role.VIEWER, 200),
        ("HEAD", "/things/1", Role.SERVER, 200),
        ("DELETE", "/things/1", Role.ADMIN, 403),
        ("GET", "/things/locked", Role.VIEWER, 200),
        ("POST", "/things/locked", Role.VIEWER, 403),
        ("POST", "/things/locked", Role.ADMIN, 200),
        ("POST", "/things", Role.TRAINER, 200),
        ("POST", "/things", Role.APPROVER, 403),
        ("POST", "/things/", Role.ADMIN, 403),
        ("GET", "/nobody", Role.ADMIN, 403),
        ("GET", "/not/named", Role.ADMIN, 403),
        ("GET", "/things/1%2Fsecret", Role.ADMIN, 403),
        ("GET", "//open", None, 401),
    ],
)
def test_the_first_matching_rule_decides(
    client: Client, method: str, path: str, role: Role | None, status: int
) -> None:
    assert client.request(method, path, headers=headers(role)).status_code == status


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer x.y.z",
        "Basic " + mint(PRIVATE, Role.ADMIN, stack="test"),
        mint(PRIVATE, Role.ADMIN, stack="test"),
        "Bearer " + mint(PRIVATE, Role.ADMIN, stack="other"),
        "Bearer " + mint(new_key()[0], Role.ADMIN, stack="test"),
    ],
)
def test_what_is_no_token_of_the_stack_is_401_however_often(client: Client, value: str) -> None:
    for _ in range(2):
        assert client.get("/things/1", headers={"authorization": value}).status_code == 401
    assert client.get("/things/1", headers=headers(Role.ADMIN)).json() == "admin"
    assert client.get("/things/1", headers={"authorization": value}).status_code == 401


def test_the_scheme_is_read_without_regard_to_case(client: Client) -> None:
    token = mint(PRIVATE, Role.VIEWER, stack="test")
    assert client.get("/things/1", headers={"authorization": f"bearer {token}"}).json() == "viewer"


def test_refusals_are_audited_with_the_role_and_never_the_token(client: Client, config: ServiceConfig) -> None:
    client.get("/things/1")
    client.post("/things", headers=headers(Role.VIEWER))
    client.get("/things/1", headers=headers(Role.VIEWER))
    log = audit(config.artifacts_url)
    assert [(entry["role"], entry["what"], entry["target"], entry["outcome"]) for entry in log.entries()] == [
        ("unknown", "GET /things/1", "thing", "refused"),
        ("viewer", "POST /things", "thing", "refused"),
    ]
    assert log.verify() is None
    assert headers(Role.VIEWER)["authorization"].split()[1] not in log.path.read_text()


def test_a_refusal_stands_even_when_it_cannot_be_audited(client: Client, config: ServiceConfig) -> None:
    folder = Path(config.root) / "audit"
    folder.write_text("not a folder")
    assert client.get("/things/1").status_code == 401


def test_more_tokens_than_are_remembered_still_work(config: ServiceConfig) -> None:
    access = Access(Starlette(), config, RULES)
    for number in range(1030):
        caller = access._caller(mint(PRIVATE, Role.VIEWER, stack="test", subject=f"user {number}"))
        assert caller.subject == f"user {number}"
    assert len(access._known) <= 1024
