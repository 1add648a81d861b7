"""A stand-in for a cloud's provider: as strict as the cloud where it is asked to be, and with a memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from pulumi.provider.experimental import provider as api

from catalog.import_ids import import_id
from infra.rehearsal.core import evidence, outputs, standing
from infra.rehearsal.core.account import Account, Object
from infra.rehearsal.core.autoname import named
from infra.rehearsal.core.cloud import Asked, Cloud, own_name
from infra.rehearsal.core.difference import difference
from infra.rehearsal.core.judge import Refusal, Refused
from infra.rehearsal.core.kinds import Find, Kind
from infra.rehearsal.core.refusing import verdict
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.templates import filled
from infra.rehearsal.core.values import Inputs, has_unknown, plain, secret_keys, storable, wire

TRIES = 25
RETRY_S = 0.05
"""Between tries of a throttled request; real providers wait longer."""


class StandIn(api.Provider):
    """`is_strict=False`: nothing is checked; what is declared exists, with every output."""

    def __init__(self, cloud: Cloud, account: Account, *, is_strict: bool = True) -> None:
        self.cloud = cloud
        self.account = account
        self.is_strict = is_strict
        self._config: dict[str, Any] = {}
        self._known: set[tuple[str, str]] = set()

    # --- configuration

    async def check_config(self, request: api.CheckRequest) -> api.CheckResponse:
        given = plain(request.new_inputs)
        failures = [api.CheckFailure(path, message) for path, message in self.cloud.check_config(given)]
        return api.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def diff_config(self, request: api.DiffRequest) -> api.DiffResponse:
        old, new = plain(request.old_state), plain(request.new_inputs)
        return api.DiffResponse(replaces=["region"] if old.get("region") != new.get("region") else [])

    async def configure(self, request: api.ConfigureRequest) -> api.ConfigureResponse:
        self._config = plain(request.args)
        return api.ConfigureResponse(
            accept_secrets=True, supports_preview=True, accept_outputs=False, accept_resources=False
        )

    # --- before anything exists

    async def check(self, request: api.CheckRequest) -> api.CheckResponse:
        token = _type(request)
        given = plain(request.new_inputs)
        kind = self._kind(token)
        if kind is not None and kind.autoname:
            given = named(kind.autoname, request.name, given, plain(request.old_inputs), request.random_seed)
        failures = []
        if self.is_strict:
            judged = verdict(self.cloud, token, given, self._facts(given))
            failures = [api.CheckFailure(found.path, found.message) for found in judged.refusals]
        return api.CheckResponse(inputs=wire(given, secret_keys(request.new_inputs)), failures=failures)

    async def diff(self, request: api.DiffRequest) -> api.DiffResponse:
        """`old_state` holds the old inputs (see `serve`)."""
        self._known.add((_type(request), request.resource_id))
        ignored = frozenset(request.ignore_changes)
        return difference(self._row(_type(request)), plain(request.old_state), plain(request.new_inputs), ignored)

    # --- life

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        token, urn = _type(request), request.urn
        kind, shape = self._row(token), self._outputs(token)
        given = plain(request.properties)
        secrets = secret_keys(request.properties) | kind.secrets
        if request.preview:
            return api.CreateResponse("", wire(outputs.unknown(kind, shape, given), secrets))
        if has_unknown(given):
            raise Refused(f"{own_name(token)} is created with an input that is not known")
        await self._faults_before(token, urn)
        orphan = self._orphan(kind, urn, given)
        identifier, made, holds = self._made(kind, shape, given, urn, orphan)
        self.account.put(Object(token, identifier, urn, self._scope(given), given, made), holds)
        self._known.add((token, identifier))
        self._prove(urn, token, given)
        if self.account.faults.strike("crash", urn, token):
            os._exit(9)  # the cloud has it; nobody will be told
        return api.CreateResponse(identifier, wire(_told(made), secrets))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        self._known.add((_type(request), request.resource_id))
        held = self.account.get(_type(request), request.resource_id) or self._imported(request)
        if held is None:
            return api.ReadResponse("", {}, {})
        secrets = secret_keys(request.inputs) | self._row(_type(request)).secrets
        return api.ReadResponse(held.id, wire(_told(held.outputs), secrets), wire(held.inputs, secrets))

    def _imported(self, request: api.ReadRequest) -> Object | None:
        """What an import names by another form than the id that it has from then on."""
        held = self.account.objects(_type(request))
        return next((it for it in held if import_id(it.token, it.outputs) == request.resource_id), None)

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        token, urn = _type(request), request.urn
        kind, shape = self._row(token), self._outputs(token)
        given = plain(request.news)
        secrets = secret_keys(request.news) | kind.secrets
        if request.preview:
            return api.UpdateResponse(wire(outputs.unknown(kind, shape, given, plain(request.olds)), secrets))
        self._known.add((token, request.resource_id))
        held = self.account.get(token, request.resource_id)
        if held is None:
            raise Refused(self._message("gone", token, id=request.resource_id))
        identifier, made, holds = self._made(kind, shape, given, urn, held)
        self.account.put(Object(token, identifier, urn, held.scope, given, made), holds)
        self._prove(urn, token, given)
        return api.UpdateResponse(wire(_told(made), secrets))

    async def delete(self, request: api.DeleteRequest) -> None:
        token = _type(request)
        held = self.account.get(token, request.resource_id)
        if held is None:
            return
        kind = self._row(token)
        if self.is_strict:
            if holders := self.account.holders(token, held.id):
                by = ", ".join(f"{own_name(holder)} {its_id}" for holder, its_id in holders[:3])
                raise Refused(f"{self._message('in_use', token, id=held.id)} (used by {by})")
            if kind.refuses_delete and (why := kind.refuses_delete({**held.inputs, **held.outputs})):
                raise Refused(why)
        self.account.remove(token, held.id)

    # --- questions

    async def invoke(self, request: api.InvokeRequest) -> api.InvokeResponse:
        answer = self.cloud.invokes.get(request.tok)
        if answer is None:
            home = self.cloud.kinds.rpartition(".")[0].replace(".", "/")
            raise Refused(f"{request.tok} is asked, but nothing answers it; add it to {home}/invokes.py")
        given = plain(request.args)
        asked = Asked(request.tok, given, self._facts(given), self._find)
        return api.InvokeResponse(wire(answer(asked)))

    def _find(self, token: str) -> list[tuple[str, Mapping[str, Any]]]:
        return [(item.id, item.outputs) for item in self.account.objects(token, with_brought=True)]

    def _others(self, id: str) -> Find:
        return lambda token: [item for item in self._find(token) if item[0] != id]

    # --- inside

    def _made(
        self, kind: Kind, shape: Shape, given: Inputs, urn: str, held: Object | None
    ) -> tuple[str, dict[str, Any], list[tuple[str, str]]]:
        """(id, outputs, what it holds on to) of what is created, changed, or found from an interrupted run."""
        facts = self._facts(given)
        # The seed is the object's, not the resource's: a replacement has other ids than what it replaces.
        seed = str(held.outputs.get("__seed")) if held else f"{urn}/{self.account.births()}"

        identifier, made = outputs.made(kind, shape, given, facts, seed)
        if held is not None:
            kept = {key: value for key, value in held.outputs.items() if key in made and key not in given}
            identifier = held.id
            made = {**made, **{key: value for key, value in kept.items() if key not in kind.outputs}}
        made = {**made, **self.cloud.added(given, self._config)}
        holds: list[tuple[str, str]] = []
        if self.is_strict:
            missing, holds = standing.referred(self.cloud, self.account, kind, given, facts)
            candidate = Object(kind.token, identifier, urn, self._scope(given), given, made)
            refusals = [*missing, *standing.taken(self.account, kind, candidate, facts)]
            if kind.begins and held is None:
                refusals += [Refusal(path, message) for path, message in kind.begins(given)]
            if kind.meets:
                others = self._others(identifier)
                refusals += [Refusal(path, message) for path, message in kind.meets(given, others)]
            if refusals:
                raise Refused("; ".join(f"{found.path}: {found.message}" for found in refusals))
        return identifier, {**made, "__seed": seed}, holds

    def _orphan(self, kind: Kind, urn: str, given: Inputs) -> Object | None:
        """What an interrupted run has created and the engine never heard of: it is adopted, never made twice. One that
        the resource can't become any more goes."""
        for item in self.account.of_urn(urn):
            if item.token != kind.token or (kind.token, item.id) in self._known:
                continue
            if not difference(kind, item.inputs, storable(given), frozenset()).replaces:
                return item
            self.account.remove(item.token, item.id)
        return None

    async def _faults_before(self, token: str, urn: str) -> None:
        faults = self.account.faults
        for attempt in range(TRIES + 1):
            if not faults.strike("throttle", urn, token):
                break
            if attempt == TRIES:
                raise Refused(self._message("throttled", token))
            await asyncio.sleep(RETRY_S)
        if slow := faults.strike("slow", urn, token):
            await asyncio.sleep(slow.seconds)
        if faults.strike("quota", urn, token):
            raise Refused(self._message("quota", token))

    def _prove(self, urn: str, token: str, given: Inputs) -> None:
        if self.is_strict:
            declared = self.cloud.own_sdk().leaves(token, _declared(given))
            judged = verdict(self.cloud, token, given, self._facts(given))
            evidence.append(self.account, evidence.of(urn, token, declared, judged))

    def _kind(self, token: str) -> Kind | None:
        return self.cloud.kind(token)

    def _row(self, token: str) -> Kind:
        """A type that no table has can still be passed through."""
        return self._kind(token) or Kind(token, id="{word}-{hex:12}")

    def _outputs(self, token: str) -> Shape:
        declared = self.cloud.own_sdk().declared(token)
        return declared.outputs if declared else Shape("structure")

    def _facts(self, given: Inputs) -> dict[str, Any]:
        return self.cloud.place(self._config, given)

    def _scope(self, given: Inputs) -> str:
        facts = self._facts(given)
        return str(facts.get("scope") or facts.get("region") or "")

    def _message(self, name: str, token: str, **facts: Any) -> str:
        template = getattr(self.cloud.messages, name)
        return str(
            filled(template, {"id": "", "value": "", "path": "", **self._facts({}), "what": own_name(token), **facts})
        )


def _type(request: Any) -> str:
    """The resource's own type: the SDK's is the whole of the URN's, its parents' before it."""
    return str(request.type.rsplit("$", 1)[-1])


def _told(made: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in made.items() if not key.startswith("__")}


def _declared(given: Inputs) -> dict[str, Any]:
    """Without what the provider filled in: nobody declared it."""
    filled_in = set(given.get("__defaults", ()))
    return {key: value for key, value in given.items() if key not in filled_in}
