"""A Kubernetes API server for one cluster of a rehearsal: started on demand, shared by processes, ended with it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from filelock import FileLock

from catalog.errors import SkywrightError
from infra.rehearsal.kubernetes import binaries, certificates, pins

STATE = "server.json"
ADMIN = "rehearsal"
READ_ONLY = "reader"
START_S = 120.0

ALONE = ("--disable-admission-plugins=ServiceAccount",)
"""Flags for a server without a controller manager, which would give each namespace its default service account."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers. `folder` holds all of it: certificates, tokens, data, logs."""

    folder: Path
    url: str
    pid: int
    """Of its keeper, whose end is the server's."""

    @property
    def ca_file(self) -> Path:
        return self.folder / "certificates" / "ca.crt"

    def token(self, user: str = ADMIN) -> str:
        return str(json.loads((self.folder / "tokens.json").read_text())[user])

    def kubeconfig(self, user: str = ADMIN) -> dict[str, Any]:
        """A kubeconfig for the server's administrator, or for the user who may only read."""
        ca = base64.b64encode(self.ca_file.read_bytes()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": ADMIN,
            "clusters": [{"name": ADMIN, "cluster": {"server": self.url, "certificate-authority-data": ca}}],
            "users": [{"name": user, "user": {"token": self.token(user)}}],
            "contexts": [{"name": ADMIN, "context": {"cluster": ADMIN, "user": user}}],
        }


def ensure(folder: Path, *, owner: int, flags: Sequence[str] = ALONE) -> Server:
    """The server of `folder`, started if it does not run; it ends when process `owner` does, or by `stop`.

    `flags` come after the usual ones.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / "lock"):
        return running(folder) or _start(folder, owner, flags)


def running(folder: Path) -> Server | None:
    """The server of `folder`, if it runs."""
    try:
        told = json.loads((folder / STATE).read_text())
        alive = psutil.Process(told["pid"]).status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return Server(folder, told["url"], told["pid"]) if alive else None


def stop(folder: Path) -> None:
    """End the server of `folder`, if it runs; back when it is gone."""
    if (server := running(folder)) is None:
        return
    with contextlib.suppress(psutil.Error):
        keeper = psutil.Process(server.pid)
        keeper.terminate()
        # A child of ours stays a zombie until somebody asks for it; another's can only be waited for.
        _, alive = psutil.wait_procs([keeper], timeout=15)
        for each in alive:
            each.kill()


@contextmanager
def running_in(folder: Path, **options: Any) -> Iterator[Server]:
    """A server for the length of a block."""
    try:
        yield ensure(folder, owner=os.getpid(), **options)
    finally:
        stop(folder)


def _start(folder: Path, owner: int, flags: Sequence[str]) -> Server:
    etcd, apiserver = (binaries.find(binary) for binary in pins.SERVER)
    if not (folder / "tokens.json").exists():
        _furnish(folder)
    for name in (STATE, "failed"):
        (folder / name).unlink(missing_ok=True)
    command = [sys.executable, "-m", "infra.rehearsal.kubernetes.keeper", folder, owner, etcd, apiserver]
    with (folder / "keeper.log").open("ab") as log:
        keeper = subprocess.Popen(
            [*map(str, command), *apiserver_flags(folder), *flags],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[3],
            start_new_session=True,
        )
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if (server := running(folder)) is not None:
            return server
        if (folder / "failed").exists() or keeper.poll() is not None:
            break
        time.sleep(0.05)
    try:
        why = (folder / "failed").read_text()
    except OSError:
        why = f"its log is {folder / 'keeper.log'}"
    keeper.terminate()
    raise SkywrightError(
        f"the Kubernetes API server of the rehearsal did not start: {why}", "Start the rehearsal again."
    )


def _furnish(folder: Path) -> None:
    """Certificates and tokens: the administrator's, and one that may only read, for rehearsing what that leads to."""
    authority = certificates.authority(folder / "certificates")
    authority.sign("kube-apiserver", ["kubernetes.default.svc"])
    certificates.service_account_key(folder / "certificates")
    tokens = {ADMIN: secrets.token_urlsafe(24), READ_ONLY: secrets.token_urlsafe(24)}
    groups = {ADMIN: "system:masters", READ_ONLY: "readers"}
    for name, text in (
        ("tokens.csv", "".join(f'{token},{user},{user},"{groups[user]}"\n' for user, token in tokens.items())),
        ("tokens.json", json.dumps(tokens)),
    ):
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            stream.write(text)


def apiserver_flags(folder: Path) -> list[str]:
    """Those that any server has."""
    made = folder / "certificates"
    return [
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--tls-cert-file={made / 'kube-apiserver.crt'}",
        f"--tls-private-key-file={made / 'kube-apiserver.key'}",
        f"--client-ca-file={made / 'ca.crt'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={made / 'service-accounts.key'}",
        f"--service-account-signing-key-file={made / 'service-accounts.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
        "--event-ttl=10m",
    ]
