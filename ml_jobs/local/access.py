"""Who may call what: a Starlette middleware over a table of routes and roles. Refusals are audited."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from catalog.errors import SkywrightError
from ml_jobs import audit
from ml_jobs.identity import Caller, Refused, Role, verify
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.telling import tell

Rule = tuple[str, str, Iterable[Role] | None]
"""(methods as `GET|HEAD` or `*`, path as a regular expression, roles; None: nobody needs a token)."""


class Access:
    """The first rule that matches decides; what no rule matches is refused. `scope["caller"]` holds the Caller."""

    def __init__(self, app: ASGIApp, config: ServiceConfig, rules: Iterable[Rule]) -> None:
        self.app = app
        self.config = config
        self.rules = [
            (frozenset(methods.split("|")), re.compile(path), None if roles is None else frozenset(roles))
            for methods, path, roles in rules
        ]
        self.public_key = Path(config.issuer_key).read_bytes()
        self._known: dict[str, Caller] = {}  # tokens hold until the key is replaced, and with it the process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        roles = self._roles(scope["method"], scope["path"])
        if roles is not None:
            try:
                caller = self._caller(_bearer(scope))
            except Refused as refused:
                await self._refuse(scope, receive, send, 401, str(refused), "unknown")
                return
            if caller.role not in roles:
                allowed = ", ".join(sorted(role.value for role in roles)) or "nobody"
                text = f"role {caller.role.value} may not {scope['method']} {scope['path']}; allowed: {allowed}."
                await self._refuse(scope, receive, send, 403, text, caller.role.value)
                return
            scope["caller"] = caller
        await self.app(scope, receive, send)

    def _caller(self, token: str) -> Caller:
        """A signature costs more than a prediction: each token's is checked once. Refused ones are not remembered."""
        caller = self._known.get(token)
        if caller is None:
            caller = verify(token, self.public_key, stack=self.config.stack)
            if len(self._known) >= 1024:
                self._known.clear()
            self._known[token] = caller
        return caller

    def _roles(self, method: str, path: str) -> frozenset[Role] | None:
        for methods, pattern, roles in self.rules:
            if (method in methods or "*" in methods) and pattern.fullmatch(path):
                return roles
        return frozenset()

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, text: str, role: str) -> None:
        try:
            audit.record(
                self.config.artifacts_url,
                who=role,
                role=role,
                what=f"{scope['method']} {scope['path']}",
                target=self.config.name,
                outcome="refused",
            )
        except SkywrightError as error:
            tell(f"error: {error}")
        await JSONResponse({"error": text}, status)(scope, receive, send)


def _bearer(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, token = value.decode("latin-1").partition(" ")
            if kind.lower() == "bearer":
                return str(token.strip())
    return ""


def health(config: ServiceConfig) -> dict[str, object]:
    """The body of every process's GET /healthz: enough to tell this stack's process from a stranger on its port."""
    return {"name": config.name, "stack": config.stack, "root": config.root, "pid": os.getpid()}
