"""Which API server stands for which cluster: one per server that the stack's kubeconfigs name, for all processes."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import yaml
from filelock import FileLock

from catalog.errors import UserError
from infra.rehearsal.kubernetes import processes, server, snapshot
from infra.rehearsal.kubernetes.server import Server

OWNER = "SKYWRIGHT_REHEARSAL_OWNER"
"""The process that the rehearsal is; its clusters end with it."""

BEHAVIOURS = ("", "unreachable", "read-only")


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a kubeconfig leads to. `context` is empty where the current one counts."""

    server: str
    context: str

    @property
    def key(self) -> str:
        """The name of its folder."""
        stem = re.sub(r"[^a-z0-9]+", "-", self.server.removeprefix("https://").lower()).strip("-")[:40]
        return f"{stem or 'cluster'}-{hashlib.sha256(self.server.encode()).hexdigest()[:8]}"


def named_by(kubeconfig: str | None, context: str | None) -> Cluster:
    """The cluster that a provider with these inputs would talk to. A kubeconfig is its content, or a path to it.

    Nothing of this machine's own clusters is read: without a kubeconfig it is the one that the user brings, by context.
    """
    if not kubeconfig:
        return Cluster(f"brought:{context or 'current'}", context or "")
    if "\n" not in kubeconfig and not kubeconfig.lstrip().startswith("{"):
        return Cluster(f"brought:{Path(kubeconfig).name}:{context or 'current'}", context or "")
    try:
        told = yaml.safe_load(kubeconfig)
        contexts = {each["name"]: each["context"] for each in told.get("contexts") or ()}
        clusters = {each["name"]: each["cluster"] for each in told.get("clusters") or ()}
        users = {each["name"] for each in told.get("users") or ()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise _unusable(
            f"it is not a kubeconfig ({' '.join(str(error).split())[:120] or type(error).__name__})"
        ) from None
    chosen = context or told.get("current-context") or ""
    if chosen not in contexts:
        raise _unusable(f"context {chosen!r} does not exist; there are: {', '.join(contexts) or 'none'}")
    cluster, user = contexts[chosen].get("cluster"), contexts[chosen].get("user")
    if cluster not in clusters or user not in users:
        raise _unusable(f"context {chosen!r} names cluster {cluster!r} and user {user!r}, and not both are there")
    url = clusters[cluster].get("server") or ""
    if not re.match(r"https://[^\s/]+", url):
        raise _unusable(f"the server of cluster {cluster!r} is {url!r}; allowed: https://HOST")
    if not any(clusters[cluster].get(key) for key in ("certificate-authority-data", "certificate-authority")):
        raise _unusable(f"cluster {cluster!r} has no certificate authority: whoever answers would be trusted")
    return Cluster(url, chosen)


def ensure(account: Path, cluster: Cluster) -> Server:
    """The API server that stands for `cluster`; it ends with the rehearsal."""
    folder = _folder(account) / cluster.key
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / "begin.lock"):
        if not (folder / "etcd").exists():
            snapshot.unpacked(folder / "etcd")
            (folder / "cluster.json").write_text(json.dumps({"server": cluster.server, "context": cluster.context}))
        return server.ensure(folder, owner=owner())


def kubeconfig(account: Path, running: Server) -> dict[str, Any]:
    """What a provider connects by: the administrator's, unless the rehearsal has the cluster behave badly."""
    told = behaviour(account)
    config = running.kubeconfig(server.READ_ONLY if told == "read-only" else server.ADMIN)
    if told == "unreachable":
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{processes.free_ports(1)[0]}"
    return config


def behave(account: Path, how: str) -> None:
    """From now on, providers find every cluster of the account `unreachable` or `read-only`; or as usual (empty)."""
    assert how in BEHAVIOURS
    _folder(account).mkdir(parents=True, exist_ok=True)
    (_folder(account) / "behaviour").write_text(how)


def behaviour(account: Path) -> str:
    try:
        return (_folder(account) / "behaviour").read_text()
    except OSError:
        return ""


def running(account: Path) -> Mapping[str, Server]:
    """The servers that run, by the key of their cluster."""
    found = {folder.name: server.running(folder) for folder in sorted(_folder(account).glob("*")) if folder.is_dir()}
    return {key: each for key, each in found.items() if each is not None}


def end(account: Path) -> None:
    """End them all; what they hold stays in the account."""
    for each in running(account).values():
        server.stop(each.folder)


def owner() -> int:
    """The rehearsal's process: named in the environment, else whatever started the engine that started us."""
    if told := os.environ.get(OWNER):
        return int(told)
    engines = [each for each in psutil.Process().parents() if each.name().startswith("pulumi")]
    above = engines[-1].parent() if engines else None
    return above.pid if above else os.getppid()


def _folder(account: Path) -> Path:
    return account / "kubernetes"


def _unusable(why: str) -> UserError:
    return UserError(f"kubeconfig: {why}", "Give the provider the kubeconfig of the cluster, or leave it out.")
