"""Demands against limits: live ones where they were read, published defaults else, unknown where neither says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policies.quota.model import UNITS, Basis, Demand, Limit, QuotaLine, Status, plain

ASK = {
    "aws": "Service Quotas console, service {service}, or RequestServiceQuotaIncrease",
    "gcp": "Google Cloud console, IAM & Admin, Quotas & System Limits",
    "azure": "Azure portal, Quotas",
}

AMBIGUOUS_SPOT = (
    "0 says nothing here: a project that never asked for preemptible quota runs spot on {standard}, another is blocked"
)


def check(demands: Iterable[Demand], limits: Mapping[str, Limit] | None = None) -> tuple[QuotaLine, ...]:
    """A line for each demand. `limits`: live values by `Demand.key`, as infra reads them; what isn't there falls back
    to the published default."""
    return tuple(_line(demand, (limits or {}).get(demand.key)) for demand in demands)


def findings(lines: Iterable[QuotaLine]) -> list[tuple[str, tuple[str, ...]]]:
    """What is short, in words, each with the resources that need it."""
    return [(_said(line), line.resources) for line in lines if line.status is Status.SHORT]


def _line(demand: Demand, live: Limit | None) -> QuotaLine:
    published = demand.published
    notes = [demand.note]
    limit, basis = None, Basis.UNKNOWN
    if live is not None and (live.is_unlimited or live.value is not None):
        limit, basis = None if live.value is None else plain(live.value), Basis.LIVE
        if live.is_unlimited:
            notes.append("unlimited")
        if live.used is not None:
            notes.append(f"{live.used:g} in use now, this stack's own included if it runs")
    elif published and published.default is not None:
        limit, basis = plain(published.default), Basis.PUBLISHED
    if live is not None and live.note:
        notes.append(live.note)
    if published is None:
        notes.append("not in the published list")
    elif basis is Basis.UNKNOWN:
        notes.append("no default is published")
    status = Status.ENOUGH if live is not None and live.is_unlimited else _status(demand, limit)
    if demand.standard and limit == 0 and status is Status.SHORT:
        status = Status.UNKNOWN
        notes.append(AMBIGUOUS_SPOT.format(standard=demand.standard))
    return QuotaLine(
        cloud=demand.cloud,
        service=demand.service,
        name=demand.name,
        code=demand.code,
        unit=demand.unit,
        scope=demand.scope,
        needed=demand.needed,
        limit=limit,
        basis=basis,
        headroom=None if limit is None or demand.needed is None or demand.is_at_least else plain(limit - demand.needed),
        status=status,
        where_to_ask=(published and published.where_to_ask) or ASK[demand.cloud].format(service=demand.service),
        source=_source(demand),
        note="; ".join(note for note in notes if note),
        resources=demand.resources,
        is_at_least=demand.is_at_least,
        dimension=demand.dimension,
    )


def _status(demand: Demand, limit: float | None) -> Status:
    if limit is None or demand.needed is None:
        return Status.UNKNOWN
    if demand.needed > limit:
        return Status.SHORT
    return Status.UNKNOWN if demand.is_at_least else Status.ENOUGH


def _source(demand: Demand) -> str:
    if (published := demand.published) is None:
        return ""
    return f"{published.source} ({published.source_date})" if published.source_date else published.source


def _said(line: QuotaLine) -> str:
    unit = UNITS.get(line.unit, line.unit)
    needed = f"{'at least ' if line.is_at_least else ''}{line.needed:g} {unit}".rstrip()
    code = f" ({line.code})" if line.code and line.code != line.name else ""
    return f"{line.title}{code}: {needed} needed, {line.basis.value} {line.limit:g}; ask: {line.where_to_ask}"
