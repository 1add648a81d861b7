"""Vertex's custom jobs and Cloud Logging on the loopback, for Google's own client: every request is judged by the
discovery documents. What jobs become, tests say."""

from __future__ import annotations

import json
import re
from typing import Any

from loopback import Loopback

from infra.rehearsal.core.validate import violations
from infra.rehearsal.gcp.model import method
from infra.rehearsal.gcp.requests import words
from infra.rehearsal.gcp.vertex_server import ACCELERATORS

STRATEGIES = {3: "STANDARD", 4: "SPOT"}
"""Google's client sends enums by number, and 64-bit numbers as text."""


class Stand(Loopback):
    """`jobs` by name, newest last; `entries`: what the log holds; `refusal`: (HTTP code, status, words) of the next."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.entries: list[dict[str, Any]] = []
        self.filters: list[str] = []
        self.refusal: tuple[int, str, str] | None = None
        super().__init__()

    def decoded(self, data: bytes) -> Any:
        return json.loads(data, object_hook=_named)

    def answer(self, http: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if self.refusal:
            code, status, said = self.refusal
            return code, {"error": {"code": code, "status": status, "message": said}}
        if path == "/v2/entries:list":
            return self._log(body)
        if path == "/token":
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        if found := re.fullmatch(r"/v1/(projects/[^/]+/locations/[^/]+)/customJobs", path):
            return self._create(found[1], body) if http == "POST" else self._list(query)
        name = path.removeprefix("/v1/").removesuffix(":cancel")
        if name not in self.jobs:
            return 404, {"error": {"code": 404, "status": "NOT_FOUND", "message": f"The CustomJob {name} is missing."}}
        if path.endswith(":cancel"):
            self.jobs[name]["state"] = "JOB_STATE_CANCELLING"
            return 200, {}
        return 200, self.jobs[name]

    def _create(self, parent: str, body: Any) -> tuple[int, Any]:
        called = "projects.locations.customJobs.create"
        shape = method("aiplatform.v1", called).body
        assert shape is not None
        for wrong in violations(body, shape):
            return 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": words(called, wrong)}}
        name = f"{parent}/customJobs/{4_000_000_000 + len(self.jobs)}"
        self.jobs[name] = {**body, "name": name, "state": "JOB_STATE_PENDING"}
        return 200, self.jobs[name]

    def _list(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        asked = query["filter"][0]
        wanted = dict(re.findall(r'labels\.(\w+)="([^"]*)"', asked))
        assert wanted and " AND ".join(f'labels.{key}="{value}"' for key, value in wanted.items()) == asked
        found = [job for job in self.jobs.values() if wanted.items() <= job["labels"].items()]
        return 200, {"customJobs": found[::-1]}

    def _log(self, body: Any) -> tuple[int, Any]:
        shape = method("logging.v2", "entries.list").body
        assert shape is not None and not list(violations(body, shape)), list(violations(body, shape))
        self.filters.append(body["filter"])
        conditions = [re.fullmatch(r'([\w.]+)(>?=)"([^"]*)"', part) for part in body["filter"].split(" AND ")]
        found = [entry for entry in self.entries if all(_holds(entry, item) for item in conditions)]
        first = int(body.get("pageToken", 0))
        page = {"entries": found[first : first + 2]}  # short pages, so that the next is asked for
        return 200, page | ({"nextPageToken": str(first + 2)} if first + 2 < len(found) else {})


def _holds(entry: Any, condition: re.Match[str] | None) -> bool:
    assert condition is not None
    value = entry
    for key in condition[1].split("."):
        value = value[key]
    return value >= condition[3] if condition[2] == ">=" else value == condition[3]


def _named(item: dict[str, Any]) -> dict[str, Any]:
    read = {"acceleratorType": ACCELERATORS.get, "strategy": STRATEGIES.get, "replicaCount": int}
    return {key: read[key](value) if key in read and value is not None else value for key, value in item.items()}
