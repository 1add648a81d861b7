"""What is compared: all seeded violations of each cloud, and the production examples, with what our rules say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.reading import declared
from infra.settings import from_file
from policies import enforcement
from policies.graph import Graph
from policies.resources import Resource
from policies.rule import Status, review
from policies.rules import all_rules
from tests.rehearsal import seeded

PACKAGES = ("aws", "gcp", "azure-native", "kubernetes")


@dataclass(frozen=True)
class Stack:
    """`red`: the rules that are violated, by a resource's identity; what an update alone can tell isn't among them."""

    name: str
    resources: Sequence[Resource]
    red: dict[int, set[str]]

    def red_at(self, resource: Resource) -> set[str]:
        """On the resource, or on those that it is set on."""
        above = {urn for urns in resource.property_dependencies.values() for urn in urns}
        joined = [item for item in self.resources if item.urn in above]
        return set().union(*(self.red.get(id(item), set()) for item in (resource, *joined)))


def stacks(folder: Path) -> Iterator[Stack]:
    """`folder`: where the examples' files lie."""
    for package in PACKAGES:
        yield _of_worlds(package)
    for file in sorted(folder.glob("Pulumi.*.yaml")):
        settings = from_file(file)
        if settings.cloud != "local" and settings.environment == "prod":
            resources = declared(settings)
            yield Stack(settings.stack, resources, _red(resources))


def _of_worlds(package: str) -> Stack:
    """Rules see each world by itself, as what a stack is decides what they ask for; Checkov asks of no stack."""
    resources: list[Resource] = []
    red: dict[int, set[str]] = {}
    for seeds in seeded.worlds(package).values():
        world = [item for _, items in seeds for item in items]
        red |= _red(world)
        resources += world
    return Stack(f"seeded {package}", resources, red)


def _red(resources: Sequence[Resource]) -> dict[int, set[str]]:
    parameters = enforcement.load().parameters_of("prod")
    found: dict[int, set[str]] = defaultdict(set)
    for result in review(Graph(resources, parameters=parameters), all_rules()):
        if result.status is not Status.UNKNOWN:
            found[id(result.resource)].add(result.rule.name)
    return dict(found)
