"""What a stack's review says of each control of a framework, with the resources that were examined for it.

It judges what is declared, nothing else: it has no word for a framework as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from policies.frameworks.model import Control, Framework
from policies.graph import Graph
from policies.judging import Verdict
from policies.report.model import FindingLine
from policies.rule import Rule

PRODUCTION_ONLY = frozenset({"deletion-protected", "release-lineage"})
"""Rules that look at every stack and judge production, besides those whose names begin with `production-`."""
OUTSIDE_PRODUCTION = frozenset({"components-owned", "scales-to-zero"})
SENSITIVE = ("personal", "health")
"""Values of the tag data_classification that `sensitive-data-*` rules are about."""


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
    broken: a violation is open. not applicable: the stack has no resource that the control's rules are about.
    needs a person: the rest, where a finding is exempted or not known yet, a rule of the control is not among `rules`
    (leave out those that are off: silence is no evidence), or the control asks for more than a declaration can show.
    """
    by_name = {item.name: item for item in rules}
    findings: dict[str, list[FindingLine]] = {}
    for verdict in verdicts:
        findings.setdefault(verdict.result.rule.name, []).append(FindingLine.of(verdict))
    wanted = {name for control in framework.controls for name in control.rules}
    looked = {name: tuple(_examined(by_name[name], graph)) for name in sorted(wanted & by_name.keys())}
    return tuple(_report(control, by_name.keys(), looked, findings) for control in framework.controls)


def _report(
    control: Control,
    judged: Collection[str],
    looked: dict[str, tuple[Examined, ...]],
    findings: dict[str, list[FindingLine]],
) -> ControlReport:
    found = tuple(line for name in control.rules for line in findings.get(name, ()))
    examined = tuple(dict.fromkeys(item for name in control.rules for item in looked.get(name, ())))
    rules = tuple(name for name in control.rules if looked.get(name) or findings.get(name))
    missing = [name for name in control.rules if name not in judged]
    reasons = [control.needs_person] if control.needs_person else []
    if doubtful := sorted({line.rule for line in found if not line.is_open}):
        reasons.append(f"findings that are exempted or not known yet: {', '.join(doubtful)}")
    if missing:
        reasons.append(f"rules that did not run: {', '.join(missing)}")
    if any(line.is_open for line in found):
        state = State.BROKEN
    elif reasons:
        state = State.NEEDS_PERSON
    else:
        state = State.MET if examined else State.NOT_APPLICABLE
    look_at = "; ".join(reasons) if state is State.NEEDS_PERSON else None
    return ControlReport(control, state, rules, found, examined, look_at)


def _examined(rule: Rule, graph: Graph) -> Iterator[Examined]:
    if not _is_about(rule.name, graph):
        return
    for type_token in _types(graph):
        if rule.applies_to(type_token):
            for node in graph.of(type_token):
                yield Examined(node.resource.name, node.resource.type, node.resource.urn)


def _is_about(rule: str, graph: Graph) -> bool:
    """Whether the rule judges a stack such as this one. It would pass any other without having looked."""
    if rule.startswith("production-") or rule in PRODUCTION_ONLY:
        return graph.is_production
    if rule in OUTSIDE_PRODUCTION:
        return not graph.is_production
    if rule.startswith("sensitive-data-"):
        return graph.data_classification in SENSITIVE
    return True


def _types(graph: Graph) -> list[str]:
    return list(dict.fromkeys(node.resource.type for node in graph))
