"""What a provider's configuration leads to: the API server that stands for its cluster, begun at the first question."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from infra.clusters import need_writable
from infra.rehearsal.core import launch
from infra.rehearsal.core.account import Account
from infra.rehearsal.kubernetes import client, clusters, objects, server
from infra.rehearsal.kubernetes.api import Api


class Connection:
    """Of one provider. `options`: its inputs, where the engine hands on those that are no strings as JSON text."""

    def __init__(self, account: Account, options: Mapping[str, Any] | None = None) -> None:
        self._account = account
        self._options = options or {}
        self._lock = asyncio.Lock()
        self._api: Api | None = None

    @property
    def cluster(self) -> clusters.Cluster:
        """Raises UserError where the kubeconfig would lead nowhere."""
        return clusters.named_by(self._options.get("kubeconfig"), self._options.get("context"))

    @property
    def key(self) -> str:
        return self.cluster.key

    @property
    def is_upserting(self) -> bool:
        return self._is("upsertExistingObjects")

    @property
    def is_forcing(self) -> bool:
        return self._is("enablePatchForce")

    @property
    def begun(self) -> Api:
        assert self._api is not None
        return self._api

    async def api(self) -> Api:
        """Raises SkywrightError where the server can't be had."""
        async with self._lock:
            if self._api is None:
                running = await asyncio.to_thread(clusters.ensure, self._account.folder, self.cluster)
                launch.note(self._account, running.pid)
                user = server.READ_ONLY if clusters.behaviour(self._account.folder) == "read-only" else None
                self._api = Api(await asyncio.to_thread(client.connect, running, user=user))
            return self._api

    async def need_writable(self) -> None:
        """What an `up` asks of a real cluster, asked of this one."""
        cluster = self.cluster
        running = await asyncio.to_thread(clusters.ensure, self._account.folder, cluster)
        launch.note(self._account, running.pid)
        told = clusters.kubeconfig(self._account.folder, running)
        told["contexts"][0]["name"] = told["current-context"] = cluster.context or "current"
        await asyncio.to_thread(need_writable, told, cluster.context or "current")

    def placed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`body` in the provider's namespace, where it names none and its kind lies in one."""
        at = objects.ref(body)
        if at.namespace or not self.begun.is_namespaced(at):
            return dict(body)
        namespace = self._options.get("namespace") or "default"
        return {**body, "metadata": {**(body.get("metadata") or {}), "namespace": namespace}}

    def _is(self, name: str) -> bool:
        value = self._options.get(name, False)
        return bool(json.loads(value) if isinstance(value, str) else value)
