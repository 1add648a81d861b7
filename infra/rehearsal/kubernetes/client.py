"""Talking to an API server of a rehearsal."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubernetes.dynamic import DynamicClient

    from infra.rehearsal.kubernetes.server import Server

FIELD_MANAGER = "skywright"


def connect(
    server: Server, *, user: str | None = None, as_user: str = "", as_groups: Sequence[str] = ()
) -> DynamicClient:
    """A client for `server`: its administrator's, that of `user`, or one that is answered as `as_user` would be."""
    from kubernetes import client as api
    from kubernetes.dynamic import DynamicClient

    configuration = api.Configuration()
    configuration.host = server.url
    configuration.ssl_ca_cert = str(server.ca_file)
    configuration.api_key = {"authorization": f"Bearer {server.token(user) if user else server.token()}"}
    configuration.proxy = None
    configuration.no_proxy = "127.0.0.1"
    configuration.retries = False
    connection = api.ApiClient(configuration)
    if as_user:
        connection.set_default_header("Impersonate-User", as_user)
        for group in as_groups:
            connection.default_headers.setdefault("Impersonate-Group", group)
    # By default the cache lies in a file that all servers share, and this server's kinds would be another's.
    return DynamicClient(connection, cache_file=str(_cache(server)), discoverer=None)


def _cache(server: Server) -> Path:
    folder = server.folder if server.folder.exists() else Path(tempfile.mkdtemp(prefix="skywright-"))
    return folder / "discovery.json"


def why(error: Exception) -> str:
    """The message of a refusal, as the API server wrote it, in one line."""
    import json

    body = getattr(error, "body", None)
    try:
        told: Any = json.loads(body or "")
        text = str(told.get("message") or told.get("reason"))
    except (ValueError, AttributeError):
        text = str(getattr(error, "reason", None) or error)
    return " ".join(text.split())
