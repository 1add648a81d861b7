"""Whether a live `up` may begin: packages are installed, credentials are there and not expired, the cluster answers.

Asked before the engine starts, so that nothing is half created. Each lack is one UserError. A cloud that can't be
reached at all is left to the engine's own words: a proxy may stand in our way and not in its.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping

from catalog.errors import UserError
from infra.engine import checks
from infra.engine.checks import CLOUDS, State
from infra.settings import Settings

TIMEOUT_S = 10.0
AZURE_WAYS = (
    "ARM_CLIENT_SECRET", "ARM_CLIENT_CERTIFICATE_PATH", "ARM_OIDC_TOKEN", "ARM_OIDC_TOKEN_FILE_PATH",
    "ARM_OIDC_REQUEST_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE",
)  # fmt: skip
"""One of these goes with a client id. https://www.pulumi.com/registry/packages/azure-native/installation-configuration/"""


def need(settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
    """Raises UserError, in one line with the remedy, where the stack's cloud can't be worked on from here."""
    cloud = CLOUDS[settings.cloud]
    packages = checks.packages(cloud)
    if packages.state is State.MISSING:
        raise UserError(f"cloud {settings.cloud} needs Python packages that are {packages.found}", f"{packages.remedy}")
    if settings.cloud == "kubernetes":
        from infra.clusters import need_writable

        need_writable(context=settings.kubernetes.context)
        return
    if (ask := _LIVE.get(settings.cloud)) is None:
        return
    found = checks.credentials(cloud, environ)
    # An instance's or a pod's own role shows in no variable and no file: the SDK is asked all the same.
    if found.state is State.MISSING and found.found != "none":
        raise UserError(f"credentials for {settings.cloud}: {found.found}", f"{found.remedy}.")
    ask(environ)


def _refused(cloud: str, error: BaseException | str) -> UserError:
    said = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"credentials for {cloud} are missing or expired ({said[:200].rstrip('. ')})", f"{_login(cloud)}.")


def _login(cloud: str) -> str:
    return CLOUDS[cloud].login


def _aws(environ: Mapping[str, str]) -> None:
    import botocore.exceptions as wrong
    import botocore.session
    from botocore.config import Config

    try:
        session = botocore.session.Session(profile=environ.get("AWS_PROFILE"))
        if session.get_credentials() is None:
            raise _refused("aws", "none found")
        short = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1})
        session.create_client("sts", region_name="us-east-1", config=short).get_caller_identity()
    except (wrong.ConnectionError, wrong.HTTPClientError):
        return  # out of reach, by name, address or proxy
    except (wrong.BotoCoreError, wrong.ClientError) as error:
        raise _refused("aws", error) from None


def _gcp(environ: Mapping[str, str]) -> None:
    if environ.get("GOOGLE_OAUTH_ACCESS_TOKEN") or environ.get("GOOGLE_CREDENTIALS"):
        return  # the provider's own ways; Google's library knows nothing of them
    import google.auth
    import google.auth.transport.requests
    from google.auth import exceptions as wrong

    try:
        found, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        found.refresh(google.auth.transport.requests.Request())
    except wrong.TransportError:
        return
    except wrong.GoogleAuthError as error:
        raise _refused("gcp", error) from None


def _azure(environ: Mapping[str, str]) -> None:
    if environ.get("ARM_USE_MSI") or environ.get("ARM_USE_OIDC"):
        return
    if environ.get("ARM_CLIENT_ID") or environ.get("AZURE_CLIENT_ID"):
        if not any(environ.get(name) for name in AZURE_WAYS):
            raise UserError(
                f"credentials for azure: a client id without its proof; allowed: one of {', '.join(AZURE_WAYS)}",
                "Set one, or unset the client id and log in: az login.",
            )
        return
    program = shutil.which("az", path=environ.get("PATH"))
    if program is None:
        raise UserError("credentials for azure: none, and no Azure CLI on PATH", "Set ARM_CLIENT_ID, or install az.")
    try:
        done = subprocess.run(
            [program, "account", "get-access-token", "--output", "none"],
            capture_output=True, text=True, timeout=6 * TIMEOUT_S, env=dict(environ),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return
    if done.returncode:
        raise _refused("azure", done.stderr.strip().removeprefix("ERROR: ").split("\n")[0])


_LIVE: dict[str, Callable[[Mapping[str, str]], None]] = {"aws": _aws, "gcp": _gcp, "azure": _azure}
"""Asks the cloud itself: the only way to know that a token has not expired."""
