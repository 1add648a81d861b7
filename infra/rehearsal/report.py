"""What a rehearsal proved: a line per step, and per resource the tier that it reached and by which judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

TIERS = ("accepted", "rehearsed")


@dataclass(frozen=True)
class StepResult:
    """`said`: what was proven, or what went wrong. `changes`: resources by operation, the unchanged ones included."""

    name: str
    is_good: bool
    seconds: float
    said: str
    changes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """A declared resource. `carried` of `declared` inputs reached the judge's request; `reasons` says why the rest need
    not; `unjudged`: inputs that nothing accounts for."""

    name: str
    type: str
    tier: str
    judge: str
    declared: int
    carried: int
    reasons: Mapping[str, str] = field(default_factory=dict)
    unjudged: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    stack: str
    cloud: str
    steps: tuple[StepResult, ...]
    proofs: tuple[Proof, ...]

    @property
    def is_good(self) -> bool:
        return bool(self.steps) and all(step.is_good for step in self.steps)

    @property
    def accepted_share(self) -> float:
        """Share of the declared resources that reached `accepted`; 0 when there is none."""
        return sum(proof.tier == "accepted" for proof in self.proofs) / len(self.proofs) if self.proofs else 0.0

    def by_type(self) -> list[dict[str, Any]]:
        """A row per type, judge and tier: how many, and the inputs carried of those declared."""
        rows = Counter((proof.type, proof.judge, proof.tier) for proof in self.proofs)
        return [
            {
                "type": kind,
                "number": count,
                "tier": tier,
                "judge": judge,
                "inputs": _inputs(p for p in self.proofs if (p.type, p.judge, p.tier) == (kind, judge, tier)),
            }
            for (kind, judge, tier), count in sorted(rows.items())
        ]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"is_good": self.is_good, "accepted_share": round(self.accepted_share, 4)}


def _inputs(proofs: Iterable[Proof]) -> str:
    proofs = list(proofs)
    return f"{sum(proof.carried for proof in proofs)} of {sum(proof.declared for proof in proofs)}"
