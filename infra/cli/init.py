"""`skywright init`: a valid stack file, from answers or from flags.

Where things live. The secrets provider is Pulumi's own top-level key of the stack file. The state backend has no place
there: Pulumi takes it from PULUMI_BACKEND_URL, the login, or `backend.url` of Pulumi.yaml, which is one for the whole
project. Stacks of one project rightly differ (a laptop's stack keeps its state in a folder, production in a bucket
with versions and locks), so the stack file says it as `skywright:backend`: versioned with the stack and reviewed with
it. Our commands hand it to the engine as PULUMI_BACKEND_URL; for a bare `pulumi` it is exported by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from catalog.errors import UserError, did_you_mean, mistake
from catalog.regions import REGIONS
from infra.cli import render
from infra.settings import from_file, load
from infra.settings.explain import PREFIX
from infra.stack import project_dir

BACKENDS = ("file", "s3", "gs", "azblob")
SECRETS_PROVIDERS = ("passphrase", "awskms", "gcpkms", "azurekeyvault")
_EXAMPLES = {
    "file": "file:///srv/pulumi-state",
    "s3": "s3://company-pulumi-state?region=eu-west-1",
    "gs": "gs://company-pulumi-state",
    "azblob": "azblob://company-pulumi-state",
    "awskms": "awskms://alias/pulumi?region=eu-west-1",
    "gcpkms": "gcpkms://projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY",
    "azurekeyvault": "azurekeyvault://VAULT.vault.azure.net/keys/KEY",
}


class CloudName(str, Enum):
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
    KUBERNETES = "kubernetes"
    LOCAL = "local"


class EnvironmentName(str, Enum):
    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


def register(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    stack: Annotated[str, typer.Argument(help="name of the new stack, such as aws-dev")],
    cloud: Annotated[CloudName | None, typer.Option(help="where it runs")] = None,
    region: Annotated[str | None, typer.Option(help="needed on aws, gcp and azure")] = None,
    environment: Annotated[EnvironmentName | None, typer.Option(help="default: dev")] = None,
    owner: Annotated[str | None, typer.Option(help="team or person who answers for it")] = None,
    backend: Annotated[
        str | None, typer.Option(help="where the state lies: a URL that begins with file, s3, gs or azblob")
    ] = None,
    secrets_provider: Annotated[
        str | None, typer.Option(help="passphrase, or the URL of a key: awskms, gcpkms, azurekeyvault")
    ] = None,
) -> None:
    """Write stacks/Pulumi.STACK.yaml. Asks for what the flags leave open; without a terminal, flags must say it."""
    path = project_dir() / "stacks" / f"Pulumi.{stack}.yaml"
    _check_name(stack, path)
    is_interactive = is_terminal()
    if cloud is None:
        cloud = CloudName(_ask("cloud", [item.value for item in CloudName], is_interactive, flag="--cloud"))
    if cloud.value in REGIONS and region is None:
        region = _ask("region", list(REGIONS[cloud.value]), is_interactive, flag="--region")
    if is_interactive and environment is None:
        known = [item.value for item in EnvironmentName]
        environment = EnvironmentName(
            typer.prompt(f"environment ({', '.join(known)})", default="dev", value_proc=_one_of(known))
        )
    if is_interactive and owner is None:
        owner = typer.prompt("owner (team or person)", default="", show_default=False) or None
    if is_interactive and backend is None:
        backend = typer.prompt("state backend URL (empty: this machine)", default="", show_default=False) or None
    if is_interactive and secrets_provider is None:
        secrets_provider = typer.prompt("secrets provider", default="passphrase")
    write(
        path,
        stack,
        cloud=cloud.value,
        region=region,
        environment=(environment or EnvironmentName.DEV).value,
        owner=owner,
        backend=backend,
        secrets_provider=secrets_provider or "passphrase",
    )
    render.say(f"wrote {path}")
    render.next_step(f"skywright config check {stack}, then skywright up -s {stack}")


def write(
    path: Path,
    stack: str,
    *,
    cloud: str,
    region: str | None,
    environment: str,
    owner: str | None,
    backend: str | None,
    secrets_provider: str,
) -> None:
    """Write a stack file that parses. Raises UserError, and writes nothing, where a value is wrong or one exists."""
    from infra.stackfile import StackFile, replace

    _check_url("--backend", backend, BACKENDS)
    if secrets_provider != "passphrase":
        _check_url("--secrets-provider", secrets_provider, SECRETS_PROVIDERS)
    values = {
        "cloud": cloud,
        "region": region,
        "environment": environment,
        "owner": owner,
        "backend": backend,
    }
    config = {PREFIX + key: value for key, value in values.items() if value is not None}
    load(config, stack=stack, where=f"skywright init {stack}")
    text = (
        f"# {environment} on {cloud}. Every other setting has a safe default: `skywright config schema` lists all,\n"
        "# stacks/Pulumi.aws-prod.yaml shows many; `skywright config check` explains mistakes.\n"
        "config:\n"
        "  skywright:cloud: local\n"
    )
    file = StackFile(path, text.encode())
    for key, value in config.items():
        file.set(key, value)
    # On this machine's own backend the engine's default, a passphrase that is made at the first use, needs no line.
    is_default = secrets_provider == "passphrase" and backend is None
    head = "" if is_default else f"secretsprovider: {_scalar(secrets_provider)}\n"
    content = (head + file.text).encode()
    replace(path, content, expected=None)
    from_file(path)


def _scalar(text: str) -> str:
    from infra.yamltext import dump

    return dump(text)


def _check_name(stack: str, path: Path) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", stack):
        raise mistake("the stack's name", stack, "letters, digits, dots, dashes and underscores, at most 100")
    if path.exists():
        raise UserError(f"{path} exists already; it was left as it is", "Choose another name, or edit that file.")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent} is not a folder", "Run skywright inside a clone of the project.")


def _check_url(flag: str, url: str | None, schemes: tuple[str, ...]) -> None:
    if url is None:
        return
    scheme, _, rest = url.partition("://")
    if scheme not in schemes or not rest:
        given = did_you_mean(scheme, list(schemes))
        known = ", ".join(_EXAMPLES[name] for name in schemes if name in _EXAMPLES)
        raise mistake(flag, url, f"a URL such as {known}", given)


def _ask(what: str, known: list[str], is_interactive: bool, *, flag: str) -> str:
    if not is_interactive:
        raise UserError(f"{what} is not given, and nobody can be asked without a terminal", f"Add {flag} {known[0]}.")
    shown = f"{what} ({', '.join(known)})" if len(known) < 10 else what
    answer: str = typer.prompt(shown, value_proc=_one_of(known))
    return answer


def _one_of(known: list[str]) -> Callable[[str], str]:
    """A check of an answer; a wrong one is asked again."""

    def check(answer: str) -> str:
        if answer not in known:
            raise typer.BadParameter(f"{answer!r} is not one of {', '.join(known)}. {did_you_mean(answer, known)}")
        return answer

    return check


def is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()
