"""The stand-in for Pulumi's Kubernetes provider: what it is given is applied to a real API server of the rehearsal.

It keeps to what provider 4.34 does: a name of its own where none is given, `already exists` unless it upserts,
server-side apply with its conflicts unless it forces, replacement where the server calls a field immutable.
"""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

from pulumi.provider.experimental import provider as p

from catalog.errors import SkywrightError
from infra.rehearsal.core import difference, evidence
from infra.rehearsal.core.account import Account, Object
from infra.rehearsal.core.judge import Refused as Failed
from infra.rehearsal.core.judge import Verdict
from infra.rehearsal.core.provider import RETRY_S
from infra.rehearsal.core.sdk import Sdk, worded
from infra.rehearsal.core.values import Inputs, has_unknown, plain, secret_keys, wire
from infra.rehearsal.kubernetes import helm, lookups, objects
from infra.rehearsal.kubernetes.api import MANAGER, Refused
from infra.rehearsal.kubernetes.connection import Connection
from infra.rehearsal.kubernetes.pins import KUBERNETES

JUDGE = f"kube-apiserver {KUBERNETES}"

_PATCH = re.compile(r"kubernetes:[^:]+/v[^:]*:\w+Patch")
_SECRET = frozenset({"data", "stringData"})


class Kubernetes(p.Provider):
    """One provider of a program: one cluster. `is_strict=False`: nothing is judged, no server runs."""

    def __init__(self, account: Account, *, is_strict: bool = True) -> None:
        self.account = account
        self.is_strict = is_strict
        self._sdk = Sdk("pulumi_kubernetes")
        self._cluster = Connection(account)
        self._known: set[tuple[str, str]] = set()

    # --- the provider itself

    async def check_config(self, request: p.CheckRequest) -> p.CheckResponse:
        given = plain(request.new_inputs)
        failures = []
        if self.is_strict and not has_unknown(given):
            try:
                await Connection(self.account, given).need_writable()
            except SkywrightError as error:
                failures.append(p.CheckFailure("", str(error)))
        return p.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff_config(self, request: p.DiffRequest) -> p.DiffResponse:
        olds, news = plain(request.old_state), plain(request.new_inputs)
        if has_unknown(news) or has_unknown(olds):
            return p.DiffResponse(changes=True)
        is_other = Connection(self.account, olds).key != Connection(self.account, news).key
        return p.DiffResponse(changes=olds != news, replaces=["kubeconfig"] if is_other else [])

    async def configure(self, request: p.ConfigureRequest) -> p.ConfigureResponse:
        self._cluster = Connection(self.account, plain(request.args))
        return p.ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_resources=False, accept_outputs=False
        )

    # --- before anything exists

    async def check(self, request: p.CheckRequest) -> p.CheckResponse:
        given, olds, token = plain(request.new_inputs), plain(request.old_inputs), _token(request)
        if token == helm.TYPE:
            body = helm.named(given, request.name, request.random_seed, olds)
            refused = [*self._typed(token, body), *helm.refusals(body)] if self.is_strict else []
        elif not isinstance(given.get("apiVersion"), str) or not isinstance(given.get("kind"), str):
            body, refused = given, ["apiVersion and kind must be given"]
        else:
            body = objects.named(given, request.name, request.random_seed, olds)
            body, refused = await self._judged(token, body) if self.is_strict else (body, [])
        failures = [p.CheckFailure("", why) for why in refused]
        return p.CheckResponse(wire(body, secret_keys(request.new_inputs)), failures)

    async def _judged(self, token: str, body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The object where it will lie, and what speaks against it."""
        try:
            api = await self._cluster.api()
            body = await asyncio.to_thread(self._cluster.placed, body)
            if has_unknown(body):
                return body, self._typed(token, body)
            await asyncio.to_thread(api.probe, body)
        except Refused as refused:
            return body, [] if refused.is_about_immutables else [str(refused)]  # of these the diff makes a replacement
        except SkywrightError as error:
            return body, [str(error)]
        return body, list(lookups.refusals(body))

    def _typed(self, token: str, given: Inputs) -> list[str]:
        """What the SDK's types say: all that can be said while a value is unknown. Custom kinds have none there."""
        if token not in self._sdk.classes:
            return []
        return [f"{path}: {message}" for path, message in map(worded, self._sdk.check(token, given))]

    async def diff(self, request: p.DiffRequest) -> p.DiffResponse:
        """`old_state` holds the old inputs (see core.serve)."""
        self._known.add((_token(request), self._key(request.resource_id)))
        olds, news = plain(request.old_state), plain(request.new_inputs)
        ignored = frozenset(request.ignore_changes)
        found = {
            path: p.PropertyDiff(p.PropertyDiffKind[_word(old, new)], input_diff=True)
            for path, old, new in difference.changed(olds, news)
            if path not in ignored and path.split(".")[0] not in ignored
        }
        replaces = await self._immutable(_token(request), olds, news, list(found)) if found else []
        for path in replaces:
            found[path] = p.PropertyDiff(p.PropertyDiffKind.UPDATE_REPLACE, input_diff=True)
        keeps_name = objects.identity(olds) == objects.identity(news) and not objects.is_autonamed(news)
        return p.DiffResponse(
            changes=bool(found),
            replaces=replaces,
            delete_before_replace=bool(replaces) and keeps_name,
            diffs=sorted({re.split(r"[.\[]", path)[0] for path in found}),
            detailed_diff=found,
        )

    async def _immutable(self, token: str, olds: Inputs, news: Inputs, paths: list[str]) -> list[str]:
        if token == helm.TYPE:
            return [path for path in paths if path in helm.IMMUTABLE]
        if objects.identity(olds) != objects.identity(news):
            return [path for path in paths if path in objects.IDENTITY] or paths
        if not self.is_strict or has_unknown(news):
            return []
        api = await self._cluster.api()
        try:
            if await asyncio.to_thread(api.get, objects.ref(news)) is not None:
                await asyncio.to_thread(api.probe, news)
        except Refused as refused:
            if refused.is_about_immutables:
                return [path for path in paths if path.startswith(tuple(refused.paths))] or paths
        return []

    # --- life

    async def create(self, request: p.CreateRequest) -> p.CreateResponse:
        body, token = plain(request.properties), _token(request)
        if request.preview:
            return p.CreateResponse("", wire(body, secret_keys(request.properties)))
        await self._faults_before(request.urn, token)
        state = await self._stored(request.urn, token, body, is_new=True)
        if self.account.faults.strike("crash", request.urn, token):
            os._exit(9)  # the cluster has it; nobody will be told
        return p.CreateResponse(_id(token, state), wire(state, _covered(state, secret_keys(request.properties))))

    async def update(self, request: p.UpdateRequest) -> p.UpdateResponse:
        body = plain(request.news)
        if request.preview:
            return p.UpdateResponse(wire(body, secret_keys(request.news)))
        state = await self._stored(request.urn, _token(request), body, is_new=False)
        return p.UpdateResponse(wire(state, _covered(state, secret_keys(request.news))))

    async def read(self, request: p.ReadRequest) -> p.ReadResponse:
        token, had, key = _token(request), plain(request.inputs), self._key(request.resource_id)
        self._known.add((token, key))
        held = self.account.get(token, key)
        if token == helm.TYPE or not self.is_strict:
            if held is None:
                return p.ReadResponse("", {}, {})
            covered = secret_keys(request.inputs)
            return p.ReadResponse(request.resource_id, wire(held.outputs, covered), wire(had, covered))
        api = await self._cluster.api()
        at = objects.ref(had) if had else objects.imported(token, request.resource_id)
        if had:
            await asyncio.to_thread(self._by_hand, held, had)
        live = await asyncio.to_thread(api.get, at)
        if live is None:
            return p.ReadResponse("", {}, {})
        inputs = await asyncio.to_thread(api.as_declared, had, live) if had else objects.as_inputs(live)
        covered = _covered(live, secret_keys(request.inputs))
        return p.ReadResponse(at.id, wire(objects.visible(live), covered), wire(inputs, covered))

    async def delete(self, request: p.DeleteRequest) -> None:
        token, state = _token(request), plain(request.properties)
        if token != helm.TYPE and self.is_strict:
            api, at = await self._cluster.api(), objects.ref(state)
            try:
                if _PATCH.fullmatch(token):
                    await asyncio.to_thread(api.apply, objects.bare(at), at)  # lets go of its fields; the object stays
                else:
                    await asyncio.to_thread(api.delete, at)
            except Refused as refused:
                raise Failed(str(refused)) from None
        self.account.remove(token, self._key(request.resource_id))

    async def invoke(self, request: p.InvokeRequest) -> p.InvokeResponse:
        raise Failed(
            f"{request.tok} is asked, but nothing answers it; add it to infra/rehearsal/kubernetes/provider.py"
        )

    # --- inside

    async def _stored(self, urn: str, token: str, body: Inputs, *, is_new: bool) -> dict[str, Any]:
        """What is there now, as outputs; the account and the evidence are told."""
        if not self.is_strict:
            state = {**body, **(helm.outputs(body) if token == helm.TYPE else {})}
        else:
            try:
                if token == helm.TYPE:
                    state = await self._released(urn, body)
                else:
                    state = await self._applied(urn, token, body, is_new=is_new)
            except Refused as refused:
                raise Failed(str(refused)) from None
        kept = objects.without_secrets({**body, "labels": (body.get("metadata") or {}).get("labels") or {}})
        outputs = dict(objects.without_secrets(state)) if token == helm.TYPE or not self.is_strict else {}
        group = str(body.get("apiVersion") or "").rpartition("/")[0]
        outputs["had_operator"] = helm.has_operator(self.account, self._cluster.key, group)
        self.account.put(Object(token, self._key(_id(token, state)), urn, self._cluster.key, kept, outputs))
        return state

    async def _applied(self, urn: str, token: str, body: Inputs, *, is_new: bool) -> dict[str, Any]:
        api, at = await self._cluster.api(), objects.ref(body)
        await lookups.need(api, body)
        is_taken = is_new and not self._cluster.is_upserting and not _PATCH.fullmatch(token)
        if is_taken and not self._is_orphan(urn, token, at.id) and await asyncio.to_thread(api.get, at) is not None:
            what = f'{at.kind} "{at.id}" already exists'
            raise Refused(f"{what}: import it, give this one another name, or let the provider upsert", 409, [])
        is_forced = self._cluster.is_forcing or objects.forces(body)
        stored = await asyncio.to_thread(api.apply, body, at, is_forced=is_forced)
        declared = frozenset(path for path, _ in objects.leaves(body) if "pulumi.com/" not in path)
        carried = declared - objects.unstored(body, stored, MANAGER)
        evidence.append(self.account, evidence.of(urn, token, declared, Verdict(JUDGE, (), carried)))
        return objects.visible(stored)

    async def _released(self, urn: str, given: Inputs) -> dict[str, Any]:
        api, namespace = await self._cluster.api(), objects.Ref("v1", "Namespace", "", given["namespace"])
        helm.need_first(self.account, self._cluster.key, given)
        if await asyncio.to_thread(api.get, namespace) is None:
            if not given.get("createNamespace"):
                raise Refused(f'namespaces "{namespace.name}" not found, and createNamespace is not set', 404, [])
            await asyncio.to_thread(api.apply, objects.bare(namespace), namespace)
        declared = frozenset(path for path, _ in objects.leaves(given))
        evidence.append(self.account, evidence.of(urn, helm.TYPE, declared, helm.verdict(given, declared)))
        return {**given, **helm.outputs(given)}

    def _is_orphan(self, urn: str, token: str, id: str) -> bool:
        """An interrupted run has created it and the engine never heard of it: it is adopted, never made twice."""
        key = self._key(id)
        return (token, key) not in self._known and any(item.id == key for item in self.account.of_urn(urn))

    def _by_hand(self, held: Object | None, had: Inputs) -> None:
        """Do to the live object what somebody did in the account by hand."""
        api, at = self._cluster.begun, objects.ref(had)
        live = api.get(at)
        if live is not None and held is None:
            api.delete(at)
        elif live is not None and held is not None:
            labels = dict(held.inputs.get("labels") or {})
            if labels != (had["metadata"].get("labels") or {}):
                api.patch(at, {"metadata": {"labels": labels}}, "kubectl-label")

    async def _faults_before(self, urn: str, token: str) -> None:
        faults = self.account.faults
        while faults.strike("throttle", urn, token):  # 429, after which every client tries again
            await asyncio.sleep(RETRY_S)
        if slow := faults.strike("slow", urn, token):
            await asyncio.sleep(slow.seconds)
        if faults.strike("quota", urn, token):
            raise Failed(
                f"{token.rsplit(':', 1)[-1].lower()} is forbidden: exceeded quota: rehearsed, requested: 1, used: 1"
            )

    def _key(self, id: str) -> str:
        """In the account, where two clusters may have things of one name."""
        return f"{self._cluster.key}:{id}"


def _id(token: str, state: Inputs) -> str:
    return helm.id_of(state) if token == helm.TYPE else objects.ref(state).id


def _covered(state: Inputs, secrets: frozenset[str]) -> frozenset[str]:
    return secrets | _SECRET if state.get("kind") == "Secret" else secrets


def _word(old: Any, new: Any) -> str:
    return "ADD" if old is None else "DELETE" if new is None else "UPDATE"


def _token(request: Any) -> str:
    """The type, less the components that the resource is a child of."""
    return str(request.type.rsplit("$", 1)[-1])
