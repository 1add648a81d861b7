"""What each platform keeps where: its settings and data for a job, and what it reads when the job has ended.

Which node this is says `ml_jobs.runtime.platforms`; here is the rest of a platform's contract with its containers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError, mistake

ROOT_VARIABLE = "SKYWRIGHT_ROOT"
"""Where the platform's files begin, / unless set: to try an image's contracts outside a container."""


def root(env: Mapping[str, str]) -> Path:
    return Path(env.get(ROOT_VARIABLE) or "/")


@dataclass(frozen=True, slots=True)
class Convention:
    """Paths below the root. `failure`: why a job failed, its first `failure_bytes` are shown; it may have to exist
    already. `model`: folder of what comes out; `model_variable` names it, as a URL. `hyperparameters`: JSON over the
    job's params, all of it text. `channels`: JSON of inputs that lie below `data` by name.
    """

    failure: str | None = None
    failure_bytes: int = 1024
    failure_must_exist: bool = False
    model: str | None = None
    model_variable: str | None = None
    hyperparameters: str | None = None
    channels: str | None = None
    data: str | None = None
    resources: str | None = None


CONVENTIONS: dict[str, Convention] = {
    # https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
    "sagemaker": Convention(
        failure="opt/ml/output/failure",
        model="opt/ml/model",
        hyperparameters="opt/ml/input/config/hyperparameters.json",
        channels="opt/ml/input/config/inputdataconfig.json",
        data="opt/ml/input/data",
        resources="opt/ml/input/config/resourceconfig.json",
    ),
    # https://cloud.google.com/vertex-ai/docs/training/code-requirements#environment-variables
    "vertex": Convention(model_variable="AIP_MODEL_DIR"),
    # https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
    "kubernetes": Convention(failure="dev/termination-log", failure_bytes=4096, failure_must_exist=True),
}
"""By the platform's name in `ml_jobs.runtime.platforms`; a platform without a row has none of this."""

PLAIN = Convention()


def of(platform: str) -> Convention:
    return CONVENTIONS.get(platform, PLAIN)


def hyperparameters(convention: Convention, base: Path) -> dict[str, str]:
    """What the platform's own form said, by name. Its toolkits' names (`sagemaker_...`, `_tuning_...`) are left out."""
    given = _object(base, convention.hyperparameters)
    wrong = next((name for name, value in given.items() if not isinstance(value, str)), None)
    if wrong is not None:
        raise mistake(f"{base / str(convention.hyperparameters)}: {wrong}", given[wrong], "text")
    return {name: value for name, value in given.items() if not name.startswith(("_", "sagemaker_"))}


def channels(convention: Convention, base: Path) -> dict[str, str]:
    """Inputs that the platform has put on this machine: name -> URL of the folder. Streams (Pipe mode) are left out."""
    found = {}
    for name, channel in _object(base, convention.channels).items():
        mode = channel.get("TrainingInputMode", "File") if isinstance(channel, dict) else ""
        folder = base / str(convention.data) / name
        if mode in ("File", "FastFile") and folder.is_dir():
            found[name] = folder.as_uri()
    return found


def network(convention: Convention, base: Path) -> str | None:
    """The interface that the nodes reach each other by, where the platform says so."""
    name = _object(base, convention.resources).get("network_interface_name")
    return name if isinstance(name, str) and name else None


def tell_failure(convention: Convention, base: Path, why: str) -> None:
    """Put why the job failed where the platform shows it. A file that can't be written changes nothing."""
    if convention.failure is None:
        return
    path = base / convention.failure
    if convention.failure_must_exist and not path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(why.encode()[: convention.failure_bytes])
    except OSError:
        return


def model_url(convention: Convention, base: Path, env: Mapping[str, str]) -> str | None:
    """Where the platform takes the model from when the job is done; None where it takes none."""
    if convention.model_variable:
        return (env.get(convention.model_variable) or "").rstrip("/") or None
    path = base / convention.model if convention.model else None
    return path.as_uri() if path is not None and path.is_dir() else None


def _object(base: Path, name: str | None) -> dict[str, Any]:
    if name is None or not (base / name).exists():
        return {}
    try:
        found = json.loads((base / name).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{base / name} can't be read: {error}") from None
    if not isinstance(found, dict):
        raise mistake(str(base / name), found, "an object")
    return found
