"""An example stack's program in this process, its clouds answered by the stand-ins: what it declares, quickly."""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from infra.program import build
from infra.rehearsal.core import evidence, outputs, refusing
from infra.rehearsal.core.autoname import named
from infra.rehearsal.core.cloud import Asked, Cloud
from infra.rehearsal.core.evidence import Evidence
from infra.rehearsal.core.judge import Refusal
from infra.rehearsal.core.kinds import Kind
from infra.rehearsal.core.shape import Shape
from infra.settings import from_file

REPO = Path(__file__).resolve().parents[2]
STACKS = REPO / "stacks"
STAND_INS = {"aws": "aws", "gcp": "gcp", "azure-native": "azure"}


@dataclass(frozen=True)
class Declared:
    """One resource: its inputs as the provider would get them, and what the stand-in says of it."""

    token: str
    name: str
    inputs: Mapping[str, Any]
    refusals: tuple[Refusal, ...] = ()
    proof: Evidence | None = None


@dataclass
class Recorded(pulumi.runtime.Mocks):
    """Answers as the stand-ins do, and keeps what it is asked for."""

    declared: list[Declared] = field(default_factory=list)
    made: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        given = {key: value for key, value in args.inputs.items() if key != "__provider" and value is not None}
        if args.typ.startswith("pulumi:providers:"):
            self.config = given
            return args.name, given
        cloud = cloud_of(args.typ)
        if cloud is None:
            self.declared.append(Declared(args.typ, args.name, given))
            return args.name, given
        kind = cloud.kind(args.typ) or Kind(args.typ, id="{word}-{hex:12}")
        if kind.autoname:
            given = named(kind.autoname, args.name, given, {}, args.name.encode())
        facts = cloud.place(self.config, given)
        urn = f"urn:pulumi:test::skywright::{args.typ}::{args.name}"
        judged = refusing.verdict(cloud, args.typ, given, facts)
        declared = cloud.own_sdk().declared(args.typ)
        leaves = cloud.own_sdk().leaves(args.typ, given) if declared else frozenset()
        proof = evidence.of(urn, args.typ, leaves, judged)
        self.declared.append(Declared(args.typ, args.name, given, judged.refusals, proof))
        identifier, made = outputs.made(kind, declared.outputs if declared else Shape("structure"), given, facts, urn)
        made = {**made, **cloud.added(given, self.config)}
        self.made.setdefault(args.typ, []).append((identifier, made))
        return identifier, made

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        cloud = cloud_of(args.token)
        if cloud is None:
            return {}
        asked = Asked(
            args.token, args.args, cloud.place(self.config, args.args), lambda token: self.made.get(token, [])
        )
        return dict(cloud.invokes[args.token](asked))


def cloud_of(token: str) -> Cloud | None:
    package = token.split(":")[0]
    if package not in STAND_INS:
        return None
    cloud: Cloud = importlib.import_module(f"infra.rehearsal.{STAND_INS[package]}.stand_in").CLOUD
    return cloud


@functools.cache
def recorded(stack: str) -> tuple[Declared, ...]:
    """All resources of an example stack, in the order in which they were declared."""
    settings = from_file(STACKS / f"Pulumi.{stack}.yaml")
    asyncio.set_event_loop(asyncio.new_event_loop())  # other tests leave the thread without one
    record = Recorded()
    pulumi.runtime.set_mocks(record, project="skywright", stack=settings.stack, preview=False)

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        return build(settings, project_dir=str(REPO)).contract.apply(lambda _: None)

    run()
    return tuple(record.declared)
