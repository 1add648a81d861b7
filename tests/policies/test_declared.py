"""The rules on what the program truly declares (tier: graph)."""

from __future__ import annotations

import json
from typing import Any

from components.exports import HOMES
from infra.reading import declared
from infra.settings import from_file, load
from policies.graph import Graph
from policies.rule import review
from policies.rules import all_rules
from tests.graph.harness import STACKS


def found(environment: str, **sections: Any) -> set[tuple[str, str, str]]:
    config = {"skywright:cloud": "local", "skywright:environment": environment}
    config |= {f"skywright:{key}": json.dumps(value) for key, value in sections.items()}
    results = review(Graph(declared(load(config, stack="s"))), all_rules())
    return {(item.rule.name, item.resource.name, item.at) for item in results}


def test_the_local_example_passes_whole() -> None:
    assert review(Graph(declared(from_file(STACKS / "Pulumi.local.yaml"))), all_rules()) == []


def test_every_component_is_asked_for_its_owner() -> None:
    for environment, name in (("prod", "production-components-owned"), ("dev", "components-owned")):
        results = {item for item in found(environment, cost_center=17) if item[0] == name}
        assert len({resource for _, resource, _ in results}) == len(HOMES)
        assert {at for _, _, at in results} == {"tags.owner"}


def test_an_unapproved_release_and_a_budget_that_only_talks_are_found() -> None:
    release = {"model": "m", "version": 1, "artifact_url": "u", "artifact_sha256": "a" * 64, "weight_percent": 100}
    results = found(
        "prod", owner=1, cost_center=1, endpoint={"releases": {"v1": release}},
        budget={"steps": [{"percent": 80, "effect": "notify"}]},
    )  # fmt: skip
    assert results >= {
        ("releases-approved", "endpoint", "spec.releases.v1.approval_ref"),
        ("production-budget-acts", "budget", "spec.steps"),
    }
