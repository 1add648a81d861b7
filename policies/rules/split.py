"""One demand as two rules: some stacks break it at a higher price than others, and each rule is about its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies.graph import Node
from policies.resources import Resource
from policies.rule import Finding, Rule, Severity, rule


@dataclass(frozen=True)
class Part:
    """The demand on some types, with examples of a stack that the rule is about."""

    types: tuple[str, ...]
    predicate: Callable[[Node], Finding | None]
    good: Sequence[Sequence[Resource]]
    bad: Sequence[Sequence[Resource]]
    unknown: Sequence[Sequence[Resource]] = ()


def split(
    name: str,
    severity: Severity,
    parts: Sequence[Part],
    *,
    title: str,
    why: str,
    remedy: str,
    concerns: Callable[[Node], bool],
    here: Resource,
    elsewhere: Resource,
    unsure: Resource | None = None,
) -> Rule:
    """The rule for stacks that `concerns` holds for, as it does where `here` is declared, and not `elsewhere`.

    What is bad here passes elsewhere, and can't be told where `unsure` is declared: each part's examples have both.
    """

    def bounded(part: Part) -> Callable[[Node], Finding | None]:
        return lambda node: part.predicate(node) if concerns(node) else None

    first, *others = parts
    about = {"title": title, "why": why, "remedy": remedy}
    made = rule(name, severity, types=first.types, joins=True, **about)(bounded(first))
    for part in others:
        made.also(*part.types, joins=True)(bounded(part))
    for check, part in zip(made.checks, parts, strict=True):
        check.examples(
            good=[*([here, *example] for example in part.good), [elsewhere, *part.bad[0]]],
            bad=[[here, *example] for example in part.bad],
            unknown=[
                *([here, *example] for example in part.unknown),
                *([[unsure, *part.bad[0]]] if unsure else []),
            ],
        )
    return made
