"""The model server of one release, as each platform starts and asks it: a table of platforms, first match wins."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError, UserError, did_you_mean, mistake
from ml_jobs.contract import Release
from ml_jobs.entry.conventions import root

log = logging.getLogger("ml_jobs.entry")

RELEASE_VARIABLE = "SKYWRIGHT_RELEASE"
"""The release's record: JSON, or the path or fsspec URL of a file that holds it."""
RELEASE_NAME_VARIABLE = "SKYWRIGHT_RELEASE_NAME"
PORT_VARIABLE = "SKYWRIGHT_PORT"
HOST_VARIABLE = "SKYWRIGHT_HOST"
PLATFORM_VARIABLE = "SKYWRIGHT_PLATFORM"
APPROVAL_VARIABLE = "SKYWRIGHT_REQUIRES_APPROVAL"
KEY_VARIABLE = "SKYWRIGHT_APPROVER_KEY"
"""The public key that approvals are verified with: PEM, a file of it, or a cloud's reference to one that it keeps."""
SETTINGS_VARIABLE = "SKYWRIGHT_SERVE"
"""More of the server's settings as JSON: limits, capture; over what the platform says."""

DRAIN_S = 25
"""Requests in flight may end; platforms kill 30 s after SIGTERM at the earliest."""
KEEP_ALIVE_S = 620
"""Longer than load balancers keep idle connections (Google's 600 s), so that no request meets one that closes."""
MODEL_FILE = "model.json"
SEARCH_DEPTH = 3
"""Platforms mount a model in a folder of its name, some in one of its version below that."""


@dataclass(frozen=True, slots=True)
class Server:
    """How a platform runs a model server. It is this platform when one of `variables` is set or `folder` is there.

    `protocol`: what it speaks to us. `port_variable` names the port that it asks, `port` is where it asks without one.
    `model_variable`: folder or URL of the model that it brought; `folder` where it mounts one, below the root.
    """

    name: str
    protocol: str
    port: int
    variables: tuple[str, ...] = ()
    port_variable: str | None = None
    model_variable: str | None = None
    folder: str | None = None
    routes: tuple[tuple[str, str], ...] = ()


SERVERS: tuple[Server, ...] = (
    # https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
    Server(
        "vertex",
        "vertex",
        8080,
        variables=("AIP_HTTP_PORT", "AIP_STORAGE_URI"),
        port_variable="AIP_HTTP_PORT",
        model_variable="AIP_STORAGE_URI",
        routes=(("ready", "AIP_HEALTH_ROUTE"), ("predict", "AIP_PREDICT_ROUTE")),
    ),
    # https://learn.microsoft.com/azure/machine-learning/how-to-deploy-custom-container
    Server("azureml", "azureml", 5001, variables=("AZUREML_MODEL_DIR",), model_variable="AZUREML_MODEL_DIR"),
    # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    Server(
        "sagemaker",
        "sagemaker",
        8080,
        variables=("SAGEMAKER_BIND_TO_PORT",),
        port_variable="SAGEMAKER_BIND_TO_PORT",
        folder="opt/ml/model",
    ),
    # https://kserve.github.io/website/docs/model-serving/predictive-inference/frameworks/custom-predictor
    Server("kserve", "open-inference-v2", 8080, port_variable="PORT", folder="mnt/models"),
    Server("plain", "open-inference-v2", 8080, port_variable="PORT"),
)


def serve(env: Mapping[str, str]) -> int:
    """Answer on the platform's port, in its protocol, until SIGTERM; then finish what is in flight and return 0."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s server %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # also once uvicorn, having drained, raises it again
    base = root(env)
    server = detect(env, base)
    port = port_of(server, env)
    found = settings(server, env, base)
    health = {"name": found["release_name"], "platform": server.name, "pid": os.getpid()}
    import uvicorn

    from ml_jobs.serve.app import from_settings

    log.info("%s for %s on port %d", found["release_name"], server.name, port)
    uvicorn.run(
        from_settings(found, health),
        host=env.get(HOST_VARIABLE) or "0.0.0.0",
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        lifespan="on",
    )
    return 0


def detect(env: Mapping[str, str], base: Path) -> Server:
    """Whose container this is. SKYWRIGHT_PLATFORM says so where nothing else does. Raises UserError."""
    named = env.get(PLATFORM_VARIABLE)
    if named:
        names = [server.name for server in SERVERS]
        if named not in names:
            raise mistake(PLATFORM_VARIABLE, named, ", ".join(names), did_you_mean(named, names))
        return SERVERS[names.index(named)]
    return next(
        server
        for server in SERVERS
        if server is SERVERS[-1]
        or any(env.get(name) for name in server.variables)
        or (server.folder is not None and (base / server.folder).is_dir())
    )


def port_of(server: Server, env: Mapping[str, str]) -> int:
    """The platform's own variable, else SKYWRIGHT_PORT, else where the platform asks without either."""
    for name in (server.port_variable, PORT_VARIABLE):
        if name and (text := env.get(name)):
            if not text.isdecimal() or not 1 <= int(text) <= 65535:
                raise mistake(name, text, "1 to 65535")
            return int(text)
    return server.port


def settings(server: Server, env: Mapping[str, str], base: Path) -> dict[str, Any]:
    """What the server's app is made from: the release, what it is called, the platform's protocol and routes.

    The release is the record that the stack declared. A folder that the platform has mounted holds its bytes, which
    are verified like any others; without a record that folder alone is the release.
    """
    mounted = mounted_model(server, env, base)
    if text := env.get(RELEASE_VARIABLE):
        release = Release.read(_record(text), where=RELEASE_VARIABLE)
        if env.get(APPROVAL_VARIABLE, "").lower() == "true" and not release.approval_ref:
            raise UserError(
                f"{release.model} version {release.version} has no approval, and this stack requires one",
                f"skywright models approve {release.model} {release.version}, then release it anew.",
            )
    elif env.get(APPROVAL_VARIABLE, "").lower() == "true":
        raise UserError(
            f"{RELEASE_VARIABLE} is not set, and this stack requires an approval", "Deploy with `skywright release`."
        )
    elif mounted:
        release = found_release(mounted)
        log.warning("no release is declared: %s is served as it lies in %s", release.artifact_sha256, mounted)
    else:
        raise UserError(
            f"{RELEASE_VARIABLE} is not set, and {server.name} has brought no model",
            "Give the release's record, or a model's folder.",
        )
    return {
        "release": release.model_dump(mode="json"),
        "release_name": env.get(RELEASE_NAME_VARIABLE) or release.model,
        "protocol": server.protocol,
        "routes": {key: path for key, name in server.routes if (path := env.get(name))},
        "mounted": mounted,
        "approver_key": env.get(KEY_VARIABLE) or None,
        **(_object(env[SETTINGS_VARIABLE], SETTINGS_VARIABLE) if env.get(SETTINGS_VARIABLE) else {}),
    }


def mounted_model(server: Server, env: Mapping[str, str], base: Path) -> str | None:
    """URL of the folder that holds the model the platform brought; None when it brought none. Raises UserError for two.

    A URL is taken as it is: the platform gives it to be read.
    """
    if server.model_variable and (given := env.get(server.model_variable)):
        if "://" in given:
            return given.rstrip("/")
        folder = Path(given)
    elif server.folder:
        folder = base / server.folder
    else:
        return None
    for depth in range(SEARCH_DEPTH + 1):
        found = sorted(path.parent for path in folder.glob("*/" * depth + MODEL_FILE))
        if len(found) > 1:
            raise UserError(
                f"{folder} holds {len(found)} models: {', '.join(path.name for path in found)}",
                "Mount one model for each server.",
            )
        if found:
            return found[0].resolve().as_uri()
    return None


def found_release(url: str) -> Release:
    """The release that a folder is by itself: its model's name, version 1, the digest that its bytes have now."""
    from ml_jobs.registry.artifact import digest, read_json

    model = read_json(url, MODEL_FILE, required=True).get("model")
    data = {"model": model, "version": 1, "artifact_url": url, "artifact_sha256": digest(url)}
    return Release.read(data, where=f"{url}/{MODEL_FILE}")


def _record(text: str) -> Any:
    return _object(text if text.lstrip().startswith("{") else _read(text), RELEASE_VARIABLE)


def _object(text: str | bytes, variable: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(f"{variable} holds no JSON: {error}", "Deploy with `skywright release`.") from None
    if not isinstance(found, dict):
        raise UserError(f"{variable} holds a JSON {type(found).__name__}; allowed: an object")
    return found


def _read(place: str) -> bytes:
    from ml_jobs.runtime.storage import Folder

    parent, _, name = place.rpartition("/")
    read: Callable[[str], bytes] = Folder(parent or ".").read
    try:
        return read(name)
    except FileNotFoundError:
        raise SkywrightError(f"{RELEASE_VARIABLE} names {place}, which is not there") from None
