"""The environment in which the engine works on a stack: the same for our commands and for `pulumi` typed by hand."""

from __future__ import annotations

import os
import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from catalog.errors import SkywrightError, UserError
from infra.engine import cache
from infra.engine.find import Found

STATE = "state"
PASSPHRASE = "passphrase"
"""Names below .skywright that a stack's own folder can't take."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a stack's state lies and what protects its secrets."""

    url: str
    passphrase_file: Path | None = None
    secrets_provider: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of a file backend; None for a bucket or a service."""
        parts = urlsplit(self.url)
        if parts.scheme != "file":
            return None
        path = unquote(parts.netloc + parts.path)
        return Path(path).expanduser().absolute()


def backend_of(
    project_dir: Path, stack: str, *, url: str | None = None, environ: Mapping[str, str] = os.environ
) -> Backend:
    """The first of: `url`, PULUMI_BACKEND_URL, the stack file's `skywright:backend`, this machine's .skywright/state.

    Only the last has a passphrase of ours, made at the first use: with any other the user brings a cloud's key or
    PULUMI_CONFIG_PASSPHRASE, because a random value of one machine would lock the others out.
    """
    if stack in (STATE, PASSPHRASE):
        raise UserError(f"a stack can't be called {stack!r}", "Choose another name: .skywright keeps something there.")
    told = stack_values(project_dir, stack)
    provider = told.get("secretsprovider")
    of_shell = environ.get("PULUMI_BACKEND_URL")
    if of_shell == own_url(project_dir):  # from `engine where --shell`, perhaps for another stack
        of_shell = None
    if chosen := url or of_shell or told.get("skywright:backend"):
        return Backend(chosen, None, provider)
    has_passphrase = "PULUMI_CONFIG_PASSPHRASE" in environ or "PULUMI_CONFIG_PASSPHRASE_FILE" in environ
    file = None if provider or has_passphrase else project_dir / ".skywright" / PASSPHRASE
    return Backend(own_url(project_dir), file, provider)


def own_url(project_dir: Path) -> str:
    return f"file://{project_dir / '.skywright' / STATE}"


def prepare(backend: Backend) -> None:
    """What the engine expects to find: a file backend's folder, and the passphrase (0600, random) where it is ours."""
    try:
        if backend.folder is not None:
            backend.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (file := backend.passphrase_file) is not None and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(f".{file.name}.{os.getpid()}")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_urlsafe(32))
            try:
                os.link(aside, file)  # unlike a rename, never takes the place of one that another process just made
            except FileExistsError:
                pass
            finally:
                aside.unlink()
    except OSError as error:
        raise SkywrightError(
            f"{error.filename or backend.url} can't be written ({error.strerror})",
            "Free space there, or make the folder writable.",
        ) from error


def variables(
    backend: Backend, found: Found, *, is_offline: bool = False, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What is to be set on top of `environ`, PATH included."""
    added = {"PULUMI_BACKEND_URL": backend.url, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if found.source == "managed":
        added["PATH"] = os.pathsep.join([str(found.bin_dir), environ.get("PATH", os.defpath)])
    if backend.passphrase_file is not None:
        added["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(backend.passphrase_file)
    if (home := pulumi_home(environ)) is not None:
        added["PULUMI_HOME"] = str(home)
    if is_offline:
        added["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return added


def pulumi_home(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where the engine keeps plugins and the like: our cache, or None when the user has a home of their own."""
    if environ.get("PULUMI_HOME"):
        return None
    own = Path(environ.get("HOME") or Path.home()) / ".pulumi"
    has_own = any((own / name).exists() for name in ("credentials.json", "plugins", "bin"))
    return None if has_own else cache.folder() / "home"


def shell_lines(
    project_dir: Path, backend: Backend, found: Found, *, environ: Mapping[str, str] = os.environ
) -> list[str]:
    """`export` lines for a POSIX shell. What the user has set themselves stays theirs."""
    added = variables(backend, found, environ=environ)
    if (pack := policy_pack(project_dir)) is not None:
        added["PULUMI_OPTION_POLICY_PACK"] = str(pack)
    lines = []
    if added.pop("PATH", None):
        lines.append(f'export PATH={shlex.quote(str(found.bin_dir))}:"$PATH"')
    lines += [f"export {name}={shlex.quote(value)}" for name, value in added.items() if not environ.get(name)]
    return lines


def policy_pack(project_dir: Path) -> Path | None:
    """The project's own policy pack, if it has one."""
    pack = project_dir / "policies"
    return pack if (pack / "PulumiPolicy.yaml").exists() else None


def stack_values(project_dir: Path, stack: str) -> dict[str, str]:
    """The plain values that are needed before the engine runs. Read by line: the file may be wrong elsewhere."""
    values = {}
    for folder in ("stacks", "."):
        try:
            text = (project_dir / folder / f"Pulumi.{stack}.yaml").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        for name, value in re.findall(
            r"^ *(skywright:backend|skywright:cloud|secretsprovider): *(\S+)", text, re.MULTILINE
        ):
            values[name] = value.strip("\"'")
        break
    return values
