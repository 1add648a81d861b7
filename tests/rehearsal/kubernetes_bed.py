"""A small program on the real engine, whose Kubernetes objects are plain data that a test changes between runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from infra.engine.run import Engine
from infra.rehearsal.core import evidence, launch
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.evidence import Evidence
from infra.rehearsal.kubernetes import client, clusters, server
from infra.rehearsal.kubernetes.api import Api

REPO = Path(__file__).resolve().parents[2]

PROGRAM = """\
import json
import pathlib

import pulumi
import pulumi_kubernetes as k8s

told = json.loads((pathlib.Path(__file__).parent / "declared.json").read_text())
config = {key: pulumi.Output.secret(value) if key == "kubeconfig" else value for key, value in told["provider"].items()}
provider = k8s.Provider("cluster", **config)
made = {}
for name, entry in told["objects"].items():
    after = [made[other] for other in entry.get("after", ())]
    options = pulumi.ResourceOptions(provider=provider, depends_on=after, import_=entry.get("import"))
    body = entry["body"]
    if "chart" in body:
        made[name] = k8s.helm.v3.Release(name, **body, opts=options)
    else:
        kept = dict(body)
        if body["kind"] == "Secret":
            kept["stringData"] = pulumi.Output.secret(body["stringData"])
        token = f"kubernetes:{entry.get('token', body['apiVersion'])}:{body['kind']}"
        made[name] = pulumi.CustomResource(token, name, kept, options)
"""


class Bed:
    """One stack named `small`."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text(
            f"name: small\nruntime:\n  name: python\n  options:\n    virtualenv: {REPO / '.venv'}\n"
        )
        (self.project / "__main__.py").write_text(PROGRAM)
        self.account = Account(folder / "account")
        bin_dir = folder / "bin"
        launch.put(bin_dir, clouds=["kubernetes"], python=Path(sys.executable))
        environ = {**launch.variables(self.account), "PATH": f"{bin_dir}:{os.environ['PATH']}", "KUBECONFIG": ""}
        self.engine = Engine(self.project, "small", has_policies=False, is_offline=True, environ=environ)
        self.provider: dict[str, Any] = {"context": "lab", "enable_patch_force": True}
        self.objects: dict[str, dict[str, Any]] = {}

    def declare(self, **objects: dict[str, Any] | None) -> None:
        """Add or change objects by logical name; None takes one away."""
        for name, entry in objects.items():
            if entry is None:
                self.objects.pop(name)
            else:
                self.objects[name] = entry
        told = {"provider": self.provider, "objects": self.objects}
        (self.project / "declared.json").write_text(json.dumps(told))

    @property
    def server(self) -> server.Server:
        (running,) = clusters.running(self.account.folder).values()
        return running

    @property
    def api(self) -> Api:
        return Api(client.connect(self.server))

    def proofs(self) -> dict[str, Evidence]:
        return {found.urn.rsplit("::", 1)[-1]: found for found in evidence.last(self.account)}

    def end(self) -> None:
        clusters.end(self.account.folder)


def body(api_version: str, kind: str, name: str | None, namespace: str | None = None, **rest: Any) -> dict[str, Any]:
    """An object as a program declares it."""
    metadata = {key: value for key, value in (("name", name), ("namespace", namespace)) if value}
    labels = rest.pop("labels", None)
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}
