"""What a stack's review says of each control of a framework, with the resources that were examined for it.

It judges what is declared, nothing else: it has no word for a framework as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from policies.frameworks.model import Control, Framework
from policies.graph import Graph, Node
from policies.judging import Verdict
from policies.report.model import FindingLine
from policies.resources import STACK, Malformed, UnknownValue
from policies.rule import Rule
from policies.rules.classification import is_sensitive

PRODUCTION_ONLY = frozenset({"deletion-protected", "endpoint-not-spot", "release-lineage"})
"""Rules that look at every stack and judge production, besides those whose names begin with `production-`."""
OUTSIDE_PRODUCTION = frozenset({"components-owned", "scales-to-zero", "idle-shutdown"})


class State(str, Enum):
    MET = "met"
    BROKEN = "broken"
    NOT_APPLICABLE = "not applicable"
    NEEDS_PERSON = "needs a person"


@dataclass(frozen=True)
class Examined:
    """A resource that at least one of the control's rules looked at."""

    name: str
    type: str
    urn: str = ""


@dataclass(frozen=True)
class ControlReport:
    """`look_at`: what a person should look at; None unless the state is `needs a person`.

    `findings` has all of the control's rules: open, exempted and not known yet. `rules` are those that looked.
    """

    control: Control
    state: State
    rules: tuple[str, ...] = ()
    findings: tuple[FindingLine, ...] = ()
    examined: tuple[Examined, ...] = ()
    look_at: str | None = None


def assess(
    framework: Framework, graph: Graph, verdicts: Iterable[Verdict], rules: Iterable[Rule]
) -> tuple[ControlReport, ...]:
    """A report for each control, in the framework's order.

    met: rules examined a resource at least, none is violated, and the file leaves nothing to a person.
    broken: a violation is open. not applicable: the stack has no resource that the control's rules, or the whole
    framework, are about. needs a person: the rest, where a finding is exempted or not known yet, a rule of the control
    is not among `rules` (leave out those that are off: silence is no evidence), or the control asks for more than a
    declaration can show.
    """
    by_name = {item.name: item for item in rules}
    findings: dict[str, list[FindingLine]] = {}
    for verdict in verdicts:
        findings.setdefault(verdict.result.rule.name, []).append(FindingLine.of(verdict))
    nodes: dict[str, list[Node]] = {}
    for node in graph:
        nodes.setdefault(node.resource.type, []).append(node)
    if not any(_is_of(type_token, framework.types) for type_token in nodes):
        return tuple(ControlReport(control, State.NOT_APPLICABLE) for control in framework.controls)
    wanted = {name for control in framework.controls for name in control.rules}
    looked = {name: tuple(_examined(by_name[name], graph, nodes)) for name in sorted(wanted & by_name.keys())}
    return tuple(
        _report(control, control.types or framework.types, by_name.keys(), looked, findings)
        for control in framework.controls
    )


def _report(
    control: Control,
    types: tuple[str, ...],
    judged: Collection[str],
    looked: Mapping[str, tuple[Examined, ...]],
    findings: Mapping[str, list[FindingLine]],
) -> ControlReport:
    seen = {name: [item for item in looked.get(name, ()) if _is_of(item.type, types)] for name in control.rules}
    said = {name: [line for line in findings.get(name, ()) if _is_of(line.type, types)] for name in control.rules}
    found = tuple(line for name in control.rules for line in said[name])
    examined = tuple(dict.fromkeys(item for name in control.rules for item in seen[name]))
    reasons = [control.needs_person] if control.needs_person else []
    if doubtful := sorted({line.rule for line in found if not line.is_open}):
        reasons.append(f"findings that are exempted or not known yet: {', '.join(doubtful)}")
    if missing := [name for name in control.rules if name not in judged]:
        reasons.append(f"rules that did not run: {', '.join(missing)}")
    if any(line.is_open for line in found):
        state = State.BROKEN
    elif reasons:
        state = State.NEEDS_PERSON
    else:
        state = State.MET if examined else State.NOT_APPLICABLE
    return ControlReport(
        control,
        state,
        rules=tuple(name for name in control.rules if seen[name] or said[name]),
        findings=found,
        examined=examined,
        look_at="; ".join(reasons) if state is State.NEEDS_PERSON else None,
    )


def _examined(rule: Rule, graph: Graph, nodes: Mapping[str, list[Node]]) -> Iterator[Examined]:
    if not any(check.types for check in rule.checks):
        yield Examined("the whole stack", STACK)
        return
    if not _is_about(rule.name, graph):
        return
    for type_token, same in nodes.items():
        if rule.applies_to(type_token):
            for node in same:
                yield Examined(node.resource.name, type_token, node.resource.urn)


def _is_about(rule: str, graph: Graph) -> bool:
    """Whether the rule judges a stack such as this one. It would pass any other without having looked."""
    if rule.startswith("production-") or rule in PRODUCTION_ONLY:
        return graph.is_production
    if rule in OUTSIDE_PRODUCTION:
        return not graph.is_production
    if rule.startswith("sensitive-data-"):
        try:
            return is_sensitive(graph)
        except (Malformed, UnknownValue):
            return True
    return True


def _is_of(type_token: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(type_token, pattern) for pattern in patterns)
