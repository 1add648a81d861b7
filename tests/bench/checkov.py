"""Our rules beside Checkov's, on the same resources: every seeded violation of each cloud, and the production examples.

Ours must find what Checkov finds on every type of resource that the platform's components declare, or say why it
isn't meant: `checkov_review/answers.yaml`. Resources are translated to what Checkov reads: a Terraform plan for AWS and
Google Cloud, a template of Resource Manager for Azure, manifests for Kubernetes. Checkov has an environment of its own,
made at the first run, and no network after that. Ends with 1 when a finding of Checkov's has no answer.

    .venv/bin/python tests/bench/checkov.py [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path[:0] = [str(HERE), str(REPO)]

from checkov_review import answers, checks, declared, stacks  # noqa: E402
from serving_peers import environments  # noqa: E402

from policies.rules import all_rules  # noqa: E402

POD = "kubernetes:core/v1:Pod"
"""Nobody declares one bare, but a Deployment's are judged as these are."""


@dataclass
class Line:
    """One check on one stack: on what it failed, and what answers: a rule of ours, a reason, or nothing."""

    check: str
    title: str
    types: set[str] = field(default_factory=set)
    found: int = 0
    excused: int = 0
    rules: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)
    missed: list[str] = field(default_factory=list)

    def shown(self) -> str:
        told = "; ".join((", ".join(sorted(self.rules)), *sorted(self.reasons))).lstrip("; ")
        types = ", ".join(sorted(self.types))
        mark = "MISSED " if self.missed else ""
        return f"  {self.check:14} {self.found:3}  {self.title[:60]:60}  {types[:40]:40}  {mark}{told}"


@dataclass(frozen=True)
class Compared:
    """`alone`: our violations that no failing check has. `elsewhere`: failures on types that no component declares."""

    stack: str
    lines: list[Line]
    passed: int
    alone: int
    elsewhere: int

    def figures(self) -> dict[str, int]:
        failed, excused = sum(line.found for line in self.lines), sum(line.excused for line in self.lines)
        missed = sum(len(line.missed) for line in self.lines)
        return {
            "checks": len(self.lines), "passed": self.passed, "failed": failed, "both": failed - excused - missed,
            "not_meant": excused, "missed": missed, "ours_alone": self.alone, "elsewhere": self.elsewhere,
        }  # fmt: skip

    def shown(self) -> Iterator[str]:
        yield (
            "{stack}: Checkov fails {failed} times by {checks} checks: {both} found by ours too, {not_meant} not "
            "meant, {missed} MISSED; by ours alone {ours_alone}; {elsewhere} more on types that no component declares"
        ).format(stack=self.stack, **self.figures())
        yield from (line.shown() for line in self.lines)
        yield from (f"  MISSED {line.check} on {name}: {line.title}" for line in self.lines for name in line.missed)


def compare(
    stack: stacks.Stack, told: checks.Told, types: frozenset[str], known: Mapping[str, answers.Answer]
) -> Compared:
    lines: dict[str, Line] = {}
    both: dict[int, set[str]] = defaultdict(set)
    asked = [item for item in told.failures if item.resource.type in types]
    for failure in asked:
        resource = failure.resource
        line = lines.setdefault(failure.check, Line(failure.check, failure.title))
        line.found += 1
        line.types.add(resource.type.split(":", 1)[1].split("/")[-1])
        answer = known.get(failure.check)
        if answer and (red := stack.red_at(resource) & set(answer.rules)):
            line.rules |= red
            both[id(resource)] |= red
        elif answer and (reason := answer.reason(resource.name)):
            line.reasons.add(reason)
            line.excused += 1
        else:
            line.missed.append(f"{resource.name} ({resource.type})")
    alone = (stack.red.get(id(item), set()) - both[id(item)] for item in stack.resources if item.type in types)
    ordered = sorted(lines.values(), key=lambda line: line.check)
    return Compared(stack.name, ordered, told.passed, sum(map(len, alone)), len(told.failures) - len(asked))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="the figures as one JSON line for each stack")
    as_json = parser.parse_args().json
    python = environments.python_of("checkov", shared=())
    known = answers.load(frozenset(item.name for item in all_rules()))
    types = declared.declared_types() | {POD}
    bad = False
    for stack in stacks.stacks(REPO / "stacks"):
        compared = compare(stack, checks.told(python, stack.resources), types, known)
        figures = compared.figures()
        bad |= figures["missed"] > 0 or figures["passed"] == 0
        print(json.dumps({"stack": stack.name, **figures}) if as_json else "\n".join(compared.shown()), flush=True)
        if figures["passed"] == 0:
            print(f"  MISSED {stack.name}: Checkov recognised nothing", flush=True)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
