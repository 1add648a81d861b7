"""A stack's review: what it declares, judged, priced and held against quotas. Needs no credentials and no engine."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError
from infra.comparing import usage_of
from infra.settings import Settings
from policies import cost, enforcement, frameworks, quota
from policies.cost import caps
from policies.enforcement import Level
from policies.graph import Graph
from policies.judging import expired, judge
from policies.readers import json_files
from policies.report.model import FindingLine, Review
from policies.resources import Resource
from policies.rule import review
from policies.rules import all_rules
from policies.whole import INCREASE, STACK_RULES, cost_results, quota_results

DEPLOYED = "deployed"
"""Instead of a file: what the stack's state holds."""


@dataclass(frozen=True)
class Subject:
    """What is reviewed: the resources, where they were read, and what they would replace (None: not known)."""

    resources: tuple[Resource, ...]
    source: str
    before: tuple[Resource, ...] | None = None


def subject_of(
    settings: Settings, project_dir: Path, *, file: Path | None = None, against: str | None = None
) -> Subject:
    """Read the stack's program, or a file that the engine wrote; and what to compare it with."""
    from infra.reading import declared

    if file:
        found = json_files.read(file)
        if found.stack not in (None, settings.stack):
            raise UserError(
                f"{file}: is of stack {found.stack!r}, not {settings.stack!r}",
                f"Review that one: skywright review {found.stack} --from {file}",
            )
        resources, source, before = found.resources, found.source, found.before if found.source == "preview" else None
    else:
        resources, source, before = tuple(declared(settings, project_dir=str(project_dir))), "graph", None
    if against == DEPLOYED:
        before = json_files.of(_deployed(project_dir, settings.stack), f"stack {settings.stack}").resources
    elif against:
        before = json_files.read(Path(against)).resources
    return Subject(resources, source, before)


def review_of(
    settings: Settings,
    subject: Subject,
    *,
    now: datetime.datetime,
    names: Sequence[str] = (),
    is_live: bool = False,
    demands: enforcement.Enforcement | None = None,
) -> Review:
    """Judge what was read. `names`: frameworks (default: all). `is_live`: quotas as the cloud tells them, by
    whatever credentials there are; else the published defaults."""
    rules = all_rules()
    demands = demands or enforcement.load(known=[item.name for item in (*rules, *STACK_RULES)])
    graph = Graph(subject.resources, parameters=demands.parameters_of(settings.environment))
    found: Any = {"stack": settings.stack, "environment": settings.environment, "today": now.date()}
    usage = usage_of(settings)
    estimate = cost.estimate(subject.resources, region=settings.region, usage=usage)
    change = None
    if subject.before is not None:
        before = cost.estimate(subject.before, region=settings.region, usage=usage)
        change = cost.change(before, estimate)
    needs = quota.demand(
        subject.resources,
        region=settings.region,
        keeps_warm_pools=getattr(settings.own, "warm_pool_s", 0) > 0,
    )
    quotas = quota.check(needs, _live(settings, needs) if is_live else None)
    broken = caps.check(estimate, change, caps.Caps(**settings.review.model_dump()))
    results = [
        *review(graph, rules),
        *cost_results(settings.stack, broken),
        *quota_results(settings.stack, quotas),
    ]
    verdicts = [*judge(results, demands, **found), *expired(demands, **found)]
    judged = [
        it
        for it in (*rules, *STACK_RULES)
        if demands.level_of(it.name, it.severity, settings.environment) is not Level.OFF
    ]
    return Review(
        stack=settings.stack,
        environment=settings.environment,
        cloud=settings.cloud,
        region=settings.region,
        source=subject.source,
        made_at=now.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        examined=len(subject.resources),
        rules=len(rules),
        findings=tuple(FindingLine.of(item) for item in verdicts),
        controls={
            framework.id: frameworks.assess(framework, graph, verdicts, judged)
            for framework in (frameworks.load(name) for name in names or frameworks.NAMES)
        },
        estimate=estimate,
        change=change,
        quotas=quotas,
    )


def need_small_increase(settings: Settings, project_dir: Path, state: Any) -> None:
    """Hold what is declared against the stack's state (an export), under skywright:review.max_increase_percent.

    The engine hands the pack no state, so that this is asked before an update. Raises UserError where the cap is broken
    and mandatory in the stack's environment.
    """
    cap = settings.review.max_increase_percent
    before = json_files.of(state, f"stack {settings.stack}").resources
    if cap is None or not before:
        return
    demands = enforcement.load(known=[item.name for item in (*all_rules(), *STACK_RULES)])
    if demands.level_of(INCREASE.name, INCREASE.severity, settings.environment) is not Level.MANDATORY:
        return
    usage, region = usage_of(settings), settings.region
    after = subject_of(settings, project_dir).resources
    made = cost.estimate(after, region=region, usage=usage)
    change = cost.change(cost.estimate(before, region=region, usage=usage), made)
    broken = [item for item in caps.check(made, change, caps.Caps(max_increase_percent=cap)) if item.is_certain]
    if broken:
        raise UserError(f"stack {settings.stack}: {broken[0].text}", INCREASE.remedy)


def _deployed(project_dir: Path, stack: str) -> Any:
    from infra.engine.run import Engine

    return Engine(project_dir, stack).export()


def _live(settings: Settings, demands: Iterable[quota.Demand]) -> dict[str, quota.Limit]:
    from infra import quotas

    own = settings.own
    account = getattr(own, "project", None) or getattr(own, "subscription_id", None)
    return quotas.live(settings.cloud, settings.region, demands, account=account)
