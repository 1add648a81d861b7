"""What a container is told by the platform that started it, as a server's settings. No platform needs a flag.

Ours on every platform: SKYWRIGHT_RELEASE (a Release's JSON), SKYWRIGHT_RELEASE_NAME, SKYWRIGHT_PORT, and
SKYWRIGHT_SERVE (more settings as JSON: limits, capture, protocol). The platforms' own:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
https://learn.microsoft.com/azure/machine-learning/how-to-deploy-custom-container
https://kserve.github.io/website/docs/model-serving/storage/overview
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError, mistake
from ml_jobs.serve.dialects import OPEN_INFERENCE

PORT = 8080
Environ = Mapping[str, str]


@dataclass(frozen=True)
class Platform:
    """`marks`: whether it is this one, by its variables and its files.

    `port`: the variable that has it. `mounted`: where the model lies, a folder or the variable that has it.
    """

    protocol: str
    marks: Callable[[Environ, Path], bool]
    port: str = "SKYWRIGHT_PORT"
    mounted: str = ""


PLATFORMS = (
    Platform("vertex", lambda environ, root: "AIP_HTTP_PORT" in environ, "AIP_HTTP_PORT", "AIP_STORAGE_URI"),
    Platform("azureml", lambda environ, root: "AZUREML_MODEL_DIR" in environ, mounted="AZUREML_MODEL_DIR"),
    Platform(
        "sagemaker", lambda environ, root: (root / "opt/ml/model").is_dir(), "SAGEMAKER_BIND_TO_PORT", "/opt/ml/model"
    ),
    Platform(OPEN_INFERENCE, lambda environ, root: True, mounted="/mnt/models"),
)
"""The first that fits. SageMaker sets no variable that says who it is, but always makes its folder."""


def settings(environ: Environ, root: Path = Path("/")) -> tuple[dict[str, Any], int]:
    """A server's settings and its port. Raises UserError for what can't be read."""
    if "SKYWRIGHT_RELEASE" not in environ:
        raise UserError("SKYWRIGHT_RELEASE is not set", "Give it the release to serve, as `skywright up` does.")
    more = _json(environ, "SKYWRIGHT_SERVE") if environ.get("SKYWRIGHT_SERVE") else {}
    release = _json(environ, "SKYWRIGHT_RELEASE")
    platform = next(platform for platform in PLATFORMS if platform.marks(environ, root))
    found = {
        "release": release,
        "release_name": environ.get("SKYWRIGHT_RELEASE_NAME") or str(release.get("model")),
        "protocol": platform.protocol,
        "routes": {"ready": environ.get("AIP_HEALTH_ROUTE", ""), "predict": environ.get("AIP_PREDICT_ROUTE", "")}
        if platform.protocol == "vertex"
        else {},
        "mounted": _mounted(platform, environ, root),
    }
    return {**found, **more}, _port(platform, environ)


def _mounted(platform: Platform, environ: Environ, root: Path) -> str | None:
    if platform.mounted.startswith("/"):
        folder = root / platform.mounted.lstrip("/")
        return str(folder) if folder.is_dir() else None
    return environ.get(platform.mounted) or None


def _port(platform: Platform, environ: Environ) -> int:
    for name in (platform.port, "SKYWRIGHT_PORT"):
        if given := environ.get(name):
            if not given.isdecimal() or not 0 < int(given) < 65536:
                raise mistake(name, given, "1 to 65535")
            return int(given)
    return PORT


def _json(environ: Environ, name: str) -> dict[str, Any]:
    try:
        data = json.loads(environ[name])
    except ValueError as error:
        raise UserError(f"{name} is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise UserError(f"{name} is a JSON {type(data).__name__}; it must be an object")
    return data
