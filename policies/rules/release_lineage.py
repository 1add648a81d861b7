"""That what serves in production can be traced, and is the record that was declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.examples import declared
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping, text
from policies.rules.pods import INFERENCE, pods_of
from policies.rules.releases import ENDPOINTS, releases_of

SHA256 = re.compile(r"[0-9a-f]{64}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
ON_CLOUDS = tuple(f"skywright:{cloud}:ModelEndpoint" for cloud in ("aws", "azure", "gcp", "kubernetes"))


@rule(
    "release-lineage",
    Severity.HIGH,
    types=ON_CLOUDS,
    title="A production release names its version, its artifact's digest and its image's digest",
    why="Without them nobody can say later which model, data and code answered a request.",
    remedy="Release a registered version with `skywright release`, which writes the whole record.",
)
def release_lineage(endpoint: Node) -> Iterator[Finding]:
    for release in _in_production(endpoint):
        yield from _traced(release)
        if not DIGEST.fullmatch(text(release, "image_digest") or ""):
            yield Finding(at=release.at("image_digest"), found=release.get("image_digest"))


def _in_production(endpoint: Node) -> list[Props]:
    return [release for _, release in releases_of(endpoint)] if endpoint.flag("isProduction") else []


def _traced(release: Props) -> Iterator[Finding]:
    version = release.get("version")
    if isinstance(version, bool) or not isinstance(version, int | float) or version < 1:
        yield Finding(at=release.at("version"), found=version)
    if not SHA256.fullmatch(text(release, "artifact_sha256") or ""):
        yield Finding(at=release.at("artifact_sha256"), found=release.get("artifact_sha256"))


RECORD = {"model": "m", "version": 3, "artifact_sha256": "a" * 64, "image_digest": "sha256:" + "b" * 64}


def _endpoint(is_production: object = True, **releases: Any) -> dict[str, Any]:
    return {"isProduction": is_production, "spec": {"releases": releases, "requires_approval": True}}


def _changed(**change: object) -> dict[str, Any]:
    return _endpoint(a={**RECORD, **change})


_UNTRACED = [_endpoint(a={}), _changed(version=0), _changed(version=None), _changed(artifact_sha256="a")]
_UNKNOWN = [_changed(artifact_sha256=UNKNOWN), _changed(version=UNKNOWN), _endpoint(UNKNOWN, a={})]
release_lineage.examples(
    good=[_endpoint(), _changed(), _endpoint(False, a={})],
    bad=[*_UNTRACED, _changed(image_digest=None), _changed(image_digest="latest")],
    unknown=[*_UNKNOWN, _changed(image_digest=UNKNOWN)],
)


@release_lineage.also("skywright:local:ModelEndpoint")
def local_lineage(endpoint: Node) -> Iterator[Finding]:
    """The local stack serves from the checkout, without an image."""
    for release in _in_production(endpoint):
        yield from _traced(release)


local_lineage.examples(
    good=[_endpoint(), _changed(image_digest=None), _endpoint(False, a={})], bad=_UNTRACED, unknown=_UNKNOWN
)

MODEL = "aws:sagemaker/model:Model"
DEPLOYMENT = "azure-native:machinelearningservices:OnlineDeployment"
VERTEX = "pulumi-python:dynamic/gcp:VertexDeployments"
SERVERS = (MODEL, DEPLOYMENT, INFERENCE, VERTEX)
IDENTITY = ("model", "version", "artifact_sha256", "image_digest", "approval_ref")


@rule(
    "releases-verified",
    Severity.HIGH,
    types=SERVERS,
    joins=True,
    title="What serves is a release that its endpoint declares, and the server checks the approval",
    why="A server that was given another record, or none, answers with a model that nobody approved.",
    remedy="Declare servers by skywright:endpoint.releases alone, with requires_approval on.",
)
def releases_verified(server: Node) -> Iterator[Finding]:
    """The server itself holds the record against the registry and the artifact's digest when it starts."""
    endpoint = server.component
    if endpoint is None or not endpoint.is_of(*ENDPOINTS):
        yield Finding(at="", found="no part of an endpoint that declares its releases")
        return
    declared_ones = [_identity(release) for _, release in releases_of(endpoint)]
    for at, record, is_checked in _served(server):
        if record is None or _identity(record) not in declared_ones:
            yield Finding(at=at, found=None if record is None else "a record that the endpoint doesn't declare")
        is_demanded = flag(endpoint.mapping("spec"), "requires_approval") is not False
        if is_demanded and is_checked != "true":
            yield Finding(at="SKYWRIGHT_REQUIRES_APPROVAL", found=is_checked)


def _identity(record: Props) -> tuple[Any, ...]:
    return tuple(record.get(key) for key in IDENTITY)


def _served(server: Node) -> Iterator[tuple[str, Props | None, str | None]]:
    """Each record that it was given: where it stands, and whether approvals are checked."""
    if server.is_of(VERTEX):
        is_checked = text(mapping(server, "environment"), "SKYWRIGHT_REQUIRES_APPROVAL")
        for name, record in server.mapping("releases").mappings():
            yield f"releases.{name}", record, is_checked
        return
    if server.is_of(MODEL):
        environment = mapping(server, "primaryContainer", "environment")
    elif server.is_of(DEPLOYMENT):
        environment = mapping(server, "properties", "environmentVariables")
    else:
        found = {}
        for pod in pods_of(server):
            for container in pod.containers:
                for item in container.records("env") if container.get("env") is not None else ():
                    if item.get("value") is not None:
                        found[str(item.get("name"))] = item.get("value")
        environment = Props(found, "spec.predictor.env")
    at = environment.at("SKYWRIGHT_RELEASE")
    yield at, _parsed(environment, at), text(environment, "SKYWRIGHT_REQUIRES_APPROVAL")


def _parsed(environment: Props, at: str) -> Props | None:
    given = text(environment, "SKYWRIGHT_RELEASE")
    if given is None:
        return None
    try:
        record = json.loads(given)
    except ValueError:
        raise Malformed(at, given, "a record in JSON") from None
    if not isinstance(record, Mapping):
        raise Malformed(at, record, "a record in JSON")
    return Props(record, at)


def _environment(record: object, is_checked: object = "true") -> dict[str, object]:
    given = record if record is UNKNOWN or record is None else json.dumps(record)
    return {"SKYWRIGHT_RELEASE": given, "SKYWRIGHT_REQUIRES_APPROVAL": is_checked}


def _servers(record: object, is_checked: object = "true") -> Iterator[list[Resource]]:
    environment = _environment(record, is_checked)
    env = [{"name": key, "value": value} for key, value in environment.items()]
    pod = {"predictor": {"containers": [{"image": "i", "env": env}]}}
    made = (
        declared(MODEL, "s", parent="endpoint", primaryContainer={"environment": environment}),
        declared(DEPLOYMENT, "s", parent="endpoint", properties={"environmentVariables": environment}),
        declared("kubernetes:serving.kserve.io/v1beta1:InferenceService", "s", parent="endpoint", spec=pod),
        declared(
            VERTEX, "s", parent="endpoint", releases={} if record is None else {"a": record},
            environment={"SKYWRIGHT_REQUIRES_APPROVAL": is_checked},
        ),
    )  # fmt: skip
    endpoint = declared("skywright:aws:ModelEndpoint", "endpoint", **_endpoint(a=RECORD))
    return ([endpoint, item] for item in made)


releases_verified.examples(
    good=[*_servers(RECORD)],
    bad=[
        *_servers({**RECORD, "artifact_sha256": "c" * 64}),
        *_servers({}),
        *_servers(RECORD, "false"),
        *_servers(RECORD, None),
        *list(_servers(None))[:3],
        [declared(MODEL, "s", primaryContainer={"environment": _environment(RECORD)})],
    ],
    unknown=[*_servers(UNKNOWN), *_servers(RECORD, UNKNOWN)],
)
