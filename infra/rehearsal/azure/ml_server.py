"""Azure ML's API on the loopback, for what no provider declares: an endpoint's weights, set after its deployments.

Every request is judged by the REST models that azure-ai-ml ships. Endpoints and deployments are those of the
rehearsal's account; weights lie in a file beside it, so that they outlive the server.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from infra.rehearsal.azure.model import model
from infra.rehearsal.azure.rest import words
from infra.rehearsal.core import loopback
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.validate import violations

VARIABLE = "SKYWRIGHT_AZURE_ENDPOINT"
FILE = "azure-ml.json"
ENDPOINT = "azure-native:machinelearningservices:OnlineEndpoint"
DEPLOYMENT = "azure-native:machinelearningservices:OnlineDeployment"
BODY = "azure.ai.ml._restclient.arm_ml_service.models:OnlineEndpoint"
_PATH = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+"
    r"/onlineEndpoints/([^/]+)"
)
MAX_MIRROR = 50

Body = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class OnlineEndpoints:
    """What the API answers; `call` is one request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._file = account.folder / FILE

    def call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Body:
        """The endpoint as it is then. Raises Refused."""
        found = _PATH.fullmatch(path)
        if found is None or method not in ("GET", "PUT"):
            raise Refused(404, "InvalidResourceType", f"no such request: {method} {path}")
        name = found[1]
        id, held = self._held(name)
        if method == "PUT":
            self._set(name, body or {})
        return self._shown(id, name, held)

    def _held(self, name: str) -> tuple[str, Mapping[str, Any]]:
        for item in self._account.objects(ENDPOINT):
            if item.outputs.get("name") == name:
                return item.id, item.outputs
        raise Refused(404, "ResourceNotFound", f"The Resource 'onlineEndpoints/{name}' was not found")

    def _set(self, name: str, body: Mapping[str, Any]) -> None:
        for wrong in violations(body, model(BODY)):
            raise Refused(400, "InvalidRequestContent", words(wrong))
        told = body.get("properties") or {}
        traffic, mirror = told.get("traffic") or {}, told.get("mirrorTraffic") or {}
        there = {
            item.outputs.get("name")
            for item in self._account.objects(DEPLOYMENT)
            if item.outputs.get("endpointName", item.inputs.get("endpointName")) == name
        }
        for deployment in (*traffic, *mirror):
            if deployment not in there:
                raise Refused(400, "BadArgument", f"Deployment '{deployment}' of traffic does not exist")
        if sum(traffic.values()) not in (0, 100):
            raise Refused(400, "BadArgument", f"Traffic must add up to 0 or 100; it is {sum(traffic.values())}")
        if len(mirror) > 1 or sum(mirror.values()) > MAX_MIRROR:
            raise Refused(400, "BadArgument", f"Mirror goes to one deployment, at most {MAX_MIRROR} percent")
        if both := sorted(mirror.keys() & {key for key, value in traffic.items() if value}):
            raise Refused(400, "BadArgument", f"Deployment '{both[0]}' has live and mirrored traffic")
        state = self._state()
        state[name] = {"traffic": dict(traffic), "mirrorTraffic": dict(mirror)}
        self._file.write_text(json.dumps(state, indent=1, sort_keys=True))

    def _shown(self, id: str, name: str, held: Mapping[str, Any]) -> Body:
        weights = self._state().get(name, {"traffic": {}, "mirrorTraffic": {}})
        return {
            "id": id,
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
            "location": held.get("location", "westeurope"),
            "kind": held.get("kind"),
            "identity": held.get("identity"),
            "tags": held.get("tags") or {},
            "properties": {**(held.get("properties") or {}), "provisioningState": "Succeeded", **weights},
        }

    def _state(self) -> Body:
        state: Body = json.loads(self._file.read_text()) if self._file.exists() else {}
        return state


def serve(account: Account) -> HTTPServer:
    """See `core.loopback.serve`."""

    def answer(method: str, path: str, body: bytes) -> tuple[int, Any]:
        try:
            return 200, OnlineEndpoints(Account(account.folder)).call(method, path, json.loads(body) if body else None)
        except Refused as refused:
            return refused.status, {"error": {"code": refused.code, "message": str(refused)}}

    return loopback.serve(answer)


if __name__ == "__main__":
    loopback.run(serve(Account(Path(sys.argv[1]))))
