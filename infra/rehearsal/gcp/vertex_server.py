"""Vertex's API on the loopback, for what no provider declares: models, and what is deployed to an endpoint.

Every request is judged by the aiplatform v1 discovery document. Endpoints are those of the rehearsal's account; models
and deployments lie in a file beside it, so that they outlive the server. Operations are done when they are answered.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from infra.rehearsal.core import loopback
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.validate import violations
from infra.rehearsal.gcp.kinds.vertex import ENDPOINT
from infra.rehearsal.gcp.model import method
from infra.rehearsal.gcp.requests import words

VARIABLE = "SKYWRIGHT_VERTEX_ENDPOINT"
API, FILE = "aiplatform.v1", "vertex.json"
_PLACE = r"projects/[^/]+/locations/[^/]+"

ACCELERATORS = {
    1: "NVIDIA_TESLA_K80", 2: "NVIDIA_TESLA_P100", 3: "NVIDIA_TESLA_V100", 4: "NVIDIA_TESLA_P4", 5: "NVIDIA_TESLA_T4",
    8: "NVIDIA_TESLA_A100", 9: "NVIDIA_A100_80GB", 11: "NVIDIA_L4", 13: "NVIDIA_H100_80GB",
    14: "NVIDIA_H100_MEGA_80GB", 15: "NVIDIA_H200_141GB",
}  # fmt: skip
"""Google's client sends enums by number; the discovery document knows their names alone."""

Body = Mapping[str, Any]


class Refused(Exception):
    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Vertex:
    """What the API answers; `call` is one request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._file = account.folder / FILE
        self._routes: list[tuple[str, str, str, Callable[[str, Body], Body]]] = [
            ("GET", rf"({_PLACE}/endpoints/\d+)", "endpoints.get", self._endpoint),
            ("PATCH", rf"({_PLACE}/endpoints/\d+)", "endpoints.patch", self._split),
            ("POST", rf"({_PLACE}/endpoints/\d+):deployModel", "endpoints.deployModel", self._deploy),
            ("POST", rf"({_PLACE}/endpoints/\d+):undeployModel", "endpoints.undeployModel", self._undeploy),
            ("POST", rf"({_PLACE}/endpoints/\d+):mutateDeployedModel", "endpoints.mutateDeployedModel", self._mutate),
            ("POST", rf"({_PLACE})/models:upload", "models.upload", self._upload),
            ("GET", rf"({_PLACE}/models/[a-z0-9_-]+)", "models.get", self._model),
            ("DELETE", rf"({_PLACE}/models/[a-z0-9_-]+)", "models.delete", self._delete),
        ]

    def call(self, http: str, path: str, body: Body) -> Body:
        """The answer. Raises Refused."""
        for verb, pattern, name, act in self._routes:
            if verb == http and (found := re.fullmatch(f"/v1/{pattern}", path)):
                shape = method(API, f"projects.locations.{name}").body
                for wrong in violations(body, shape) if shape else ():
                    raise Refused(400, "INVALID_ARGUMENT", words(name, wrong))
                return act(found[1], body)
        raise Refused(404, "NOT_FOUND", f"no such method: {http} {path}")

    def _endpoint(self, name: str, body: Body) -> Body:
        held = self._account.get(ENDPOINT, name)
        if held is None:
            raise Refused(404, "NOT_FOUND", f"Endpoint `{name}` not found")
        standing = self._state()["endpoints"].get(name, {"deployedModels": [], "trafficSplit": {}})
        return {"name": name, "displayName": str(held.inputs.get("displayName", name)), "etag": "1", **standing}

    def _split(self, name: str, body: Body) -> Body:
        split = {id: int(percent) for id, percent in (body.get("trafficSplit") or {}).items()}
        known = {model["id"] for model in self._endpoint(name, {})["deployedModels"]}
        if split and sum(split.values()) != 100:
            raise Refused(400, "INVALID_ARGUMENT", f"The traffic split must sum to 100, not {sum(split.values())}.")
        if strangers := split.keys() - known:
            raise Refused(400, "INVALID_ARGUMENT", f"DeployedModel {', '.join(sorted(strangers))} is not deployed.")
        return self._write(name, trafficSplit=split)

    def _deploy(self, name: str, body: Body) -> Body:
        standing, model = self._endpoint(name, {}), dict(body["deployedModel"])
        if any(held["id"] == model.get("id") for held in standing["deployedModels"]):
            raise Refused(409, "ALREADY_EXISTS", f"DeployedModel {model['id']} already exists.")
        self._model(str(model["model"]), {})
        resources = model.get("dedicatedResources", {})
        if int(resources.get("minReplicaCount", 0)) < 1:
            raise Refused(400, "INVALID_ARGUMENT", "min_replica_count must be greater than or equal to 1.")
        self._write(name, deployedModels=[*standing["deployedModels"], model])
        return _done({"deployedModel": model}, "DeployModelResponse")

    def _undeploy(self, name: str, body: Body) -> Body:
        standing, id = self._endpoint(name, {}), body["deployedModelId"]
        if standing["trafficSplit"].get(id):
            raise Refused(400, "INVALID_ARGUMENT", f"DeployedModel {id} still gets traffic.")
        kept = [model for model in standing["deployedModels"] if model["id"] != id]
        if len(kept) == len(standing["deployedModels"]):
            raise Refused(404, "NOT_FOUND", f"DeployedModel {id} is not deployed.")
        self._write(name, deployedModels=kept)
        return _done({}, "UndeployModelResponse")

    def _mutate(self, name: str, body: Body) -> Body:
        standing, wanted = self._endpoint(name, {})["deployedModels"], body["deployedModel"]
        if all(model["id"] != wanted.get("id") for model in standing):
            raise Refused(404, "NOT_FOUND", f"DeployedModel {wanted.get('id')} is not deployed.")
        changed = [
            {**model, "dedicatedResources": {**model.get("dedicatedResources", {}), **wanted["dedicatedResources"]}}
            if model["id"] == wanted["id"]
            else model
            for model in standing
        ]
        self._write(name, deployedModels=changed)
        return _done({"deployedModel": wanted}, "MutateDeployedModelResponse")

    def _upload(self, place: str, body: Body) -> Body:
        name, state = f"{place}/models/{body.get('modelId')}", self._state()
        if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]{0,62})", str(body.get("modelId"))):
            raise Refused(400, "INVALID_ARGUMENT", f"Invalid model id: {body.get('modelId')}")
        if name in state["models"]:
            raise Refused(409, "ALREADY_EXISTS", f"Model {name} already exists.")
        state["models"][name] = {**body["model"], "name": name}
        self._save(state)
        return _done({"model": name, "modelVersionId": "1"}, "UploadModelResponse")

    def _model(self, name: str, body: Body) -> Body:
        found: Body | None = self._state()["models"].get(name)
        if found is None:
            raise Refused(404, "NOT_FOUND", f"The Model {name} does not exist.")
        return found

    def _delete(self, name: str, body: Body) -> Body:
        state = self._state()
        if any(
            model["model"] == name for endpoint in state["endpoints"].values() for model in endpoint["deployedModels"]
        ):
            raise Refused(400, "FAILED_PRECONDITION", f"Model {name} is deployed and can't be deleted.")
        self._model(name, {})
        del state["models"][name]
        self._save(state)
        return {"name": "projects/1/locations/l/operations/1", "done": True,
                "response": {"@type": "type.googleapis.com/google.protobuf.Empty"}}  # fmt: skip

    def _write(self, name: str, **change: Any) -> Body:
        standing = {key: self._endpoint(name, {})[key] for key in ("deployedModels", "trafficSplit")} | change
        state = self._state()
        state["endpoints"][name] = standing
        self._save(state)
        return self._endpoint(name, {})

    def _state(self) -> dict[str, Any]:
        if not self._file.exists():
            return {"models": {}, "endpoints": {}}
        state: dict[str, Any] = json.loads(self._file.read_text())
        return state

    def _save(self, state: Body) -> None:
        self._file.write_text(json.dumps(state))


def _by_name(item: dict[str, Any]) -> dict[str, Any]:
    number = item.get("acceleratorType")
    return {**item, "acceleratorType": ACCELERATORS.get(number, number)} if isinstance(number, int) else item


def _done(response: Body, kind: str) -> Body:
    typed = {"@type": f"type.googleapis.com/google.cloud.aiplatform.v1.{kind}", **response}
    return {"name": "projects/1/locations/l/operations/1", "done": True, "response": typed}


def serve(account: Account) -> HTTPServer:
    """See `core.loopback.serve`."""

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        try:
            return 200, Vertex(Account(account.folder)).call(
                method, path, json.loads(body or b"{}", object_hook=_by_name)
            )
        except Refused as refused:
            return refused.code, {"error": {"code": refused.code, "message": str(refused), "status": refused.status}}

    return loopback.serve(answer)


if __name__ == "__main__":
    loopback.run(serve(Account(Path(sys.argv[1]))))
