"""What a stack needs of this machine, and whether it is there. Looks only; installs, contacts and prints nothing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from catalog.errors import SkywrightError
from infra.engine import cache, environment
from infra.engine.find import find

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
DISK_GIB = 5.0
"""A local stack with a few models and checkpoints; an engine that is still to be built takes its own share."""
MEMORY_GIB = 3.0
"""A local stack that trains on two ranks while it serves two releases."""

SHELL = 'eval "$(skywright engine where --shell)"'


class State(str, Enum):
    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. Only MISSING stops a stack; `remedy` is empty when all is well."""

    name: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Cloud:
    """What a cloud needs here: Python packages by extra, a resource plugin, and where credentials may be."""

    extras: str
    packages: tuple[str, ...]
    plugin: str | None = None
    variables: tuple[str, ...] = ()
    file_variables: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    login: str = ""


CLOUDS = {
    "local": Cloud("local,train,serve", ("torch", "sklearn", "safetensors", "mlflow", "supervisor")),
    "aws": Cloud(
        "aws",
        ("pulumi_aws", "pulumi_kubernetes", "boto3"),
        "aws",
        ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
        (".aws/credentials", ".aws/config"),
        "Log in: aws configure sso (or set AWS_PROFILE)",
    ),
    "gcp": Cloud(
        "gcp",
        ("pulumi_gcp", "pulumi_kubernetes", "google.cloud.aiplatform"),
        "gcp",
        ("GOOGLE_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN"),
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        (".config/gcloud/application_default_credentials.json",),
        "Log in: gcloud auth application-default login",
    ),
    "azure": Cloud(
        "azure",
        ("pulumi_azure_native", "pulumi_kubernetes", "azure.ai.ml", "azure.identity"),
        "azure-native",
        ("ARM_CLIENT_ID", "AZURE_CLIENT_ID", "ARM_USE_MSI"),
        (),
        (".azure/msal_token_cache.json", ".azure/msal_token_cache.bin", ".azure/azureProfile.json"),
        "Log in: az login",
    ),
    "kubernetes": Cloud(
        "kubernetes",
        ("pulumi_kubernetes", "kubernetes"),
        "kubernetes",
        ("KUBERNETES_SERVICE_HOST",),
        ("KUBECONFIG",),
        (".kube/config",),
        "Set KUBECONFIG to the cluster's file",
    ),
}


def checks(project_dir: Path, stack: str, environ: Mapping[str, str] = os.environ) -> list[Check]:
    """Everything, in the order in which it is needed."""
    cloud_name = environment.stack_values(project_dir, stack).get("skywright:cloud", "local")
    cloud = CLOUDS.get(cloud_name)
    found = [python(), *engine()]
    if cloud is None:
        known = ", ".join(CLOUDS)
        found.append(
            Check("cloud", State.MISSING, f"{cloud_name!r} is unknown", f"Set skywright:cloud to one of {known}")
        )
    else:
        found += [packages(cloud), plugin(cloud, environ), credentials(cloud, environ)]
    return [*found, state(project_dir, stack, environ), disk(project_dir), memory(), policies(project_dir, environ)]


def python() -> Check:
    version = sys.version_info[:2]
    text = f"{platform.python_version()} at {sys.executable}"
    if OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return Check("python", State.OK, text)
    return Check(
        "python", State.MISSING, text, "Make the environment with Python 3.11, 3.12 or 3.13, then: make install"
    )


def engine() -> list[Check]:
    install = "Install it: skywright engine install"
    try:
        it = find()
    except SkywrightError:
        hosts = "goes with the engine"
        return [Check("engine", State.MISSING, "none", install), Check("language host", State.MISSING, hosts, install)]
    own = "the user's own, on PATH" if it.source == "path" else "managed"
    return [
        Check("engine", State.OK, f"Pulumi {it.version} ({own}) at {it.cli}"),
        Check("language host", State.OK, "official" if it.host == "official" else "skywright's, beside the engine"),
    ]


def packages(cloud: Cloud) -> Check:
    absent = [name for name in cloud.packages if not _is_installed(name)]
    if not absent:
        return Check("packages", State.OK, ", ".join(cloud.packages))
    remedy = f"pip install -e '.[infra,{cloud.extras}]'"
    return Check("packages", State.MISSING, f"not installed: {', '.join(absent)}", remedy)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package above it
        return False


def plugin(cloud: Cloud, environ: Mapping[str, str]) -> Check:
    if cloud.plugin is None:
        return Check("plugin", State.OK, "none needed")
    if on_path := shutil.which(f"pulumi-resource-{cloud.plugin}", path=environ.get("PATH")):
        return Check("plugin", State.OK, on_path)
    home = environment.pulumi_home(environ) or Path(environ.get("PULUMI_HOME") or _home(environ) / ".pulumi")
    if had := sorted((home / "plugins").glob(f"resource-{cloud.plugin}-v*")):
        return Check("plugin", State.OK, had[-1].name)
    remedy = f"The first preview downloads it; beforehand: pulumi plugin install resource {cloud.plugin}"
    return Check("plugin", State.NOTE, f"{cloud.plugin} is not downloaded yet", remedy)


def credentials(cloud: Cloud, environ: Mapping[str, str]) -> Check:
    """Where there are some; never what they are, and not whether the cloud takes them."""
    if not cloud.login:
        return Check("credentials", State.OK, "none needed")
    for name in cloud.file_variables:
        # KUBECONFIG may list several files.
        if (given := environ.get(name)) and not any(Path(file).exists() for file in given.split(os.pathsep)):
            return Check("credentials", State.MISSING, f"{name} names a file that is not there", cloud.login)
    if given_by := [name for name in (*cloud.variables, *cloud.file_variables) if environ.get(name)]:
        return Check("credentials", State.OK, f"from {given_by[0]}")
    if files := [name for name in cloud.files if (_home(environ) / name).exists()]:
        return Check("credentials", State.OK, f"from ~/{files[0]}")
    return Check("credentials", State.MISSING, "none", cloud.login)


def state(project_dir: Path, stack: str, environ: Mapping[str, str]) -> Check:
    backend = environment.backend_of(project_dir, stack, environ=environ)
    told = "PULUMI_CONFIG_PASSPHRASE" in environ or "PULUMI_CONFIG_PASSPHRASE_FILE" in environ
    if backend.passphrase_file is not None or backend.secrets_provider or told:
        return Check("state", State.OK, backend.url)
    remedy = "Set PULUMI_CONFIG_PASSPHRASE_FILE, or give the stack a secretsprovider (a cloud's key)"
    return Check("state", State.MISSING, f"{backend.url}, and nothing that opens its secrets", remedy)


def disk(project_dir: Path) -> Check:
    free = min(cache.free_gib(project_dir), cache.free_gib(cache.folder()))
    text = f"{free:.1f} GiB free"
    if free >= DISK_GIB:
        return Check("disk", State.OK, text)
    where = f"{project_dir} and {cache.folder()} (or set {cache.CACHE_VARIABLE})"
    return Check("disk", State.MISSING if free < 1 else State.NOTE, text, f"Free {DISK_GIB:g} GiB at {where}")


def memory() -> Check:
    free, total = (amount / 2**30 for amount in (psutil.virtual_memory().available, psutil.virtual_memory().total))
    text = f"{free:.1f} of {total:.1f} GiB available"
    if free >= MEMORY_GIB:
        return Check("memory", State.OK, text)
    return Check("memory", State.NOTE, text, f"A local stack that trains and serves takes about {MEMORY_GIB:g} GiB")


def policies(project_dir: Path, environ: Mapping[str, str]) -> Check:
    pack = environment.policy_pack(project_dir)
    if pack is None:
        return Check("policy pack", State.MISSING, "no policies/PulumiPolicy.yaml", "Run this in a whole clone")
    if environ.get("PULUMI_OPTION_POLICY_PACK"):
        return Check("policy pack", State.OK, f"{pack}, also for a bare `pulumi up` in this shell")
    return Check("policy pack", State.NOTE, f"{pack}; a bare `pulumi up` in this shell runs without it", SHELL)


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())
