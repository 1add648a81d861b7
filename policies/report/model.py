"""A review as plain records, which every face shows. Nothing in it is secret: values come through rules, masked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from policies.enforcement import Exemption, Level
from policies.judging import Verdict
from policies.rule import Severity

if TYPE_CHECKING:
    from policies.cost import Change, Estimate
    from policies.frameworks import ControlReport
    from policies.quota import QuotaLine


@dataclass(frozen=True)
class FindingLine:
    """One finding. `status`: violated, unknown (only the update will tell), failed (the rule can't judge), exempted."""

    rule: str
    title: str
    severity: Severity
    level: Level
    status: str
    resource: str
    type: str
    at: str
    detail: str
    why: str
    remedy: str
    urn: str = ""
    exemption: Exemption | None = None

    @classmethod
    def of(cls, verdict: Verdict) -> FindingLine:
        result = verdict.result
        return cls(
            rule=result.rule.name,
            title=result.rule.title,
            severity=result.severity,
            level=verdict.level,
            status="exempted" if verdict.exemption else result.status.value,
            resource=result.resource.name,
            type=result.resource.type,
            at=result.at,
            detail=result.detail,
            why=result.rule.why,
            remedy=result.rule.remedy,
            urn=result.resource.urn,
            exemption=verdict.exemption,
        )

    @property
    def is_open(self) -> bool:
        """Whether it counts: neither exempted nor still unknown."""
        return self.status in ("violated", "failed")


@dataclass(frozen=True)
class Review:
    """What was found about a stack. `source`: graph, preview or export. `made_at`: ISO 8601, UTC.

    `controls`: framework -> its controls. `estimate` and `change` are None where the review had none to make; `notes`
    says why, and whatever else the reader must know.
    """

    stack: str
    environment: str | None
    cloud: str | None
    region: str | None
    source: str
    made_at: str
    examined: int
    rules: int
    findings: tuple[FindingLine, ...] = ()
    controls: dict[str, tuple[ControlReport, ...]] = field(default_factory=dict)
    estimate: Estimate | None = None
    change: Change | None = None
    quotas: tuple[QuotaLine, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, severity: Severity) -> int:
        """Open findings of this severity."""
        return sum(item.is_open and item.severity is severity for item in self.findings)

    def worst(self) -> Severity | None:
        """The gravest severity that an open finding has."""
        return max((item.severity for item in self.findings if item.is_open), key=lambda it: it.rank, default=None)

    @property
    def is_blocked(self) -> bool:
        """Whether an update would be stopped."""
        return any(item.is_open and item.level is Level.MANDATORY for item in self.findings)
