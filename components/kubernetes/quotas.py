"""How the pools' capacity is shared by teams: what each is sure of, and how far it may go beyond it. Pure.

Kueue counts quota per flavor: a team's ask for a kind of accelerator holds on each pool that has that kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.kubernetes.flavors import GPU, Flavor
from components.specs import TeamSpec

RESOURCES = ("cpu", "memory", GPU)


@dataclass(frozen=True, slots=True)
class Share:
    """`nominal` is the team's own; `borrow` what it may take beyond it of what others leave idle; None: all of it."""

    nominal: int
    borrow: int | None


def shares(flavors: Sequence[Flavor], teams: Mapping[str, TeamSpec]) -> dict[str, dict[str, dict[str, Share]]]:
    """Team -> flavor -> resource (vCPUs, GiB, devices) -> share.

    What is sure never adds up to more than the pool has. A team that names no limit gets an even part of what the
    others' limits leave; limits that add up to more than the pool are cut in proportion, and the rest of a limit can
    be borrowed.
    """
    found: dict[str, dict[str, dict[str, Share]]] = {team: {} for team in teams}
    for flavor in flavors:
        for resource, total in flavor.total.items():
            asked = {name: _limit(team, flavor, resource) for name, team in teams.items()}
            sure = split(total, asked)
            for name, team in teams.items():
                limit = asked[name]
                capped = None if limit is None else max(min(limit, total) - sure[name], 0)
                share = Share(sure[name], None if team.can_borrow else capped if capped is not None else 0)
                found[name].setdefault(flavor.name, {})[resource] = share
    return found


def split(total: int, asked: Mapping[str, int | None]) -> dict[str, int]:
    """Whole parts of `total`: to each what it asks if all fits, else in proportion; None: an even part of the rest."""
    limited = {name: min(value, total) for name, value in asked.items() if value is not None}
    wanted = sum(limited.values())
    parts = limited if wanted <= total else _in_proportion(total, limited)
    rest = total - sum(parts.values())
    free = sorted(name for name, value in asked.items() if value is None)
    even = {name: rest // len(free) + (index < rest % len(free)) for index, name in enumerate(free)}
    return {**parts, **even}


def hard_quota(flavors: Sequence[Flavor], team: TeamSpec) -> dict[str, str]:
    """The namespace's ResourceQuota, over all flavors: the team's limits where it may not borrow, else the pools'."""
    quota: dict[str, str] = {}
    for resource in RESOURCES:
        total = sum(flavor.total[resource] for flavor in flavors)
        bound = total if team.can_borrow else min(total, _over_all(flavors, team, resource, total))
        unit = "Gi" if resource == "memory" else ""
        quota[f"requests.{resource}"] = f"{bound}{unit}"
    return quota


def _limit(team: TeamSpec, flavor: Flavor, resource: str) -> int | None:
    if resource == GPU:
        return (
            team.max_accelerators.get(flavor.accelerator, 0) if team.max_accelerators and flavor.accelerator else None
        )
    return team.max_cpus if resource == "cpu" else team.max_memory_gib


def _over_all(flavors: Sequence[Flavor], team: TeamSpec, resource: str, total: int) -> int:
    if resource == GPU:
        return sum(team.max_accelerators.values()) if team.max_accelerators else total
    limit = team.max_cpus if resource == "cpu" else team.max_memory_gib
    return total if limit is None else limit


def _in_proportion(total: int, asked: Mapping[str, int]) -> dict[str, int]:
    """Largest remainders first; names break ties, so that the parts never change by themselves."""
    wanted = sum(asked.values())
    parts = {name: total * value // wanted for name, value in asked.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(asked, key=lambda name: (-(total * asked[name] % wanted), name))
    return {name: part + (name in by_remainder[:left]) for name, part in parts.items()}
