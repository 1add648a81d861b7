"""Only network, identity, storage and registry of a stack, against mocks: what the rest of a cloud stands on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.exports import PROVIDER
from infra.program import components_of, context_of
from infra.settings import Settings, load
from tests.graph.harness import Graph, Recorder


def settings_of(*, stack: str = "test", cloud: str = "aws", region: str = "eu-west-1", **sections: Any) -> Settings:
    given = {"cloud": cloud, "region": region, **sections}
    config = {
        f"skywright:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in given.items()
    }
    return load(config, stack=stack)


@dataclass
class Foundation:
    """`outputs`: the records by component. `options`: those of each resource, by its logical name."""

    graph: Graph = field(default_factory=Graph)
    outputs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, pulumi.ResourceOptions] = field(default_factory=dict)


def declare_foundation(settings: Settings) -> Foundation:
    cloud = components_of(settings.cloud)
    ctx = context_of(settings)
    made = Foundation()
    pulumi.runtime.set_mocks(Recorder(made.graph), project="skywright", stack=settings.stack, preview=False)

    def note(args: pulumi.ResourceTransformationArgs) -> None:
        made.options[args.name] = args.opts

    @pulumi.runtime.test
    def run() -> None:
        noted = pulumi.ResourceOptions(transformations=[note])
        placed = getattr(cloud, PROVIDER)(ctx) if hasattr(cloud, PROVIDER) else None
        opts = pulumi.ResourceOptions.merge(placed, noted)
        for section, kind in KINDS.items():
            spec = getattr(settings, section)
            made.outputs[section] = getattr(cloud, kind)(section, spec, ctx, opts=opts, **made.outputs).outputs

    run()
    return made


KINDS = {"network": "Network", "identity": "Identity", "storage": "Storage", "registry": "ModelRegistry"}
