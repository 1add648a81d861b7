"""Talking to an API server of a rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubernetes.dynamic import DynamicClient

    from infra.rehearsal.kubernetes.server import Server


def connect(server: Server, *, user: str | None = None, as_user: str = "", as_group: str = "") -> DynamicClient:
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
        if as_group:
            connection.set_default_header("Impersonate-Group", as_group)
    # By default the cache lies in a file that all servers share, and this server's kinds would be another's.
    return DynamicClient(connection, cache_file=str(server.folder / "discovery.json"))
