"""Azure ML's jobs, environments and run history on the loopback, for azure-ai-ml's own clients: every body is judged by
the REST models that the package ships. What jobs become, tests say."""

from __future__ import annotations

import re
from typing import Any

from loopback import Loopback

from infra.rehearsal.azure.model import model
from infra.rehearsal.azure.rest import words
from infra.rehearsal.core.validate import violations

MODELS = "azure.ai.ml._restclient.arm_ml_service.models"
SHAPES = {"jobs": f"{MODELS}:JobBase", "environments": f"{MODELS}:EnvironmentVersion"}


class Stand(Loopback):
    """`jobs` by name, newest last; `logs`: file -> text; `reasons`: job -> why it failed; `refusal`: (status, code,
    words) of the next PUT."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.refusal: tuple[int, str, str] | None = None
        self.puts: list[str] = []
        super().__init__()

    def answer(self, http: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path.startswith("/signed/"):
            text = self.logs.get(path.removeprefix("/signed/"))
            return (404, "") if text is None else (200, text)
        if found := re.fullmatch(r"/history/v1\.0/.+/workspaces/skywright-azure-prod/runs/([^/]+)/details", path):
            return self._details(found[1])
        found = re.fullmatch(
            r"/subscriptions/[0-9a-f-]{36}/resourceGroups/skywright-azure-prod"
            r"/providers/Microsoft\.MachineLearningServices/workspaces/skywright-azure-prod"
            r"/(jobs|environments)(?:/(.+?))?(/cancel)?",
            path,
        )
        assert found, path
        kind, name = found[1], found[2]
        held = self.jobs if kind == "jobs" else self.environments
        if name is None:
            assert query["jobType"] == ["Command"]
            return 200, {"value": list(held.values())[::-1]}
        if http == "PUT":
            return self._put(kind, held, path, name, body)
        if name not in held:
            return 404, {"error": {"code": "ResourceNotFound", "message": f"{kind}/{name} was not found."}}
        if found[3]:
            held[name]["properties"]["status"] = "CancelRequested"
            return 200, None
        return 200, held[name]

    def _put(self, kind: str, held: dict[str, Any], path: str, name: str, body: Any) -> tuple[int, Any]:
        if self.refusal and kind == "jobs":
            status, code, said = self.refusal
            return status, {"error": {"code": code, "message": said}}
        for wrong in violations(body, model(SHAPES[kind])):
            return 400, {"error": {"code": "InvalidRequestContent", "message": words(wrong)}}
        if kind == "jobs":
            version = body["properties"]["environmentId"].partition("/environments/")[2]
            assert version in self.environments, "the job names an environment that is not there"
        self.puts.append(f"{kind}/{name}")
        state = {"status": "Queued"} if kind == "jobs" else {}
        held[name] = {"id": path, "name": name.rpartition("/")[2], "properties": {**body["properties"], **state}}
        return 201, held[name]

    def _details(self, name: str) -> tuple[int, Any]:
        files = {file: f"{self.url}/signed/{file}" for file in self.logs}
        error = (
            {"error": {"error": {"code": "UserError", "message": self.reasons[name]}}} if name in self.reasons else {}
        )
        return 200, {"runId": name, "logFiles": files, **error}
