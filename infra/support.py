"""What each cloud does of what can be asked: the data of `components.features` and of the clouds as rows and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from catalog import instances
from catalog.errors import UserError, did_you_mean
from catalog.regions import REGIONS
from components.features import FEATURES, ON_CLUSTER, support_of
from infra.settings.checks_fit import RENTED
from infra.settings.explain import shown

CLOUDS = ("aws", "gcp", "azure", "kubernetes", "local")
TITLES = {"aws": "AWS", "gcp": "GCP", "azure": "Azure", "kubernetes": "Kubernetes", "local": "local"}
BEGIN, END = "<!-- support matrix -->", "<!-- /support matrix -->"
"""Where README.md holds `as_markdown()`, between the two lines."""

RUNTIMES: tuple[instances.Runtime, ...] = ("managed", "kubernetes")

_ALERTS = "alerts on "
_BY_NOTHING = "none"
"""How a word begins where the cloud needs, or has, nothing of the kind: it refuses nothing, and does nothing."""


def cloud_of(name: str) -> str:
    """The cloud, by its name. Raises UserError."""
    if name not in CLOUDS:
        raise UserError(f"cloud is {name!r}; allowed: {', '.join(CLOUDS)}", did_you_mean(name, list(CLOUDS)))
    return name


def matrix() -> list[dict[str, str]]:
    """A row for each feature, a column for each cloud: `yes`, `none` (nothing to do there), `no`; on AWS, GCP and Azure
    `cluster` where only a cluster does it, by runtime kubernetes."""
    return [
        {"feature": item.key, "title": item.title, **{cloud: _word(cloud, item.key, item.kind) for cloud in CLOUDS}}
        for item in FEATURES
    ]


def _word(cloud: str, key: str, kind: str) -> str:
    word = support_of(cloud)[key]
    if word.is_supported:
        return _BY_NOTHING if word.note.startswith(_BY_NOTHING) else "yes"
    by_cluster = cloud in RENTED and kind in ON_CLUSTER and support_of("kubernetes")[key].is_supported
    return "cluster" if by_cluster else "no"


def of_cloud(cloud: str) -> list[dict[str, Any]]:
    """Each feature on one cloud: how it is done there, or why it can't be and what to do instead."""
    table = support_of(cloud_of(cloud))
    rows = []
    for item in FEATURES:
        word = table[item.key]
        rows.append(
            {
                "feature": item.key,
                "title": item.title,
                "support": _word(cloud, item.key, item.kind),
                "note": word.note,
                "remedy": word.remedy,
            }
        )
    return rows


def as_markdown() -> str:
    """The matrix for README.md, with what each cloud can't do and the way out below it."""
    lines = [
        "| | " + " | ".join(TITLES[cloud] for cloud in CLOUDS) + " |",
        "|---|" + "---|" * len(CLOUDS),
        *("| " + " | ".join([title, *cells]) + " |" for title, cells in _short(matrix())),
        "",
        "`cluster`: by runtime kubernetes only. `none`: nothing of the kind is needed or made there, and asking is no",
        "mistake. What a cloud can't do is refused in one line before anything is created:",
        "",
        *(f"- {TITLES[cloud]}: {'; '.join(_refused(cloud))}." for cloud in CLOUDS),
    ]
    return "\n".join(lines)


def _short(rows: list[dict[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """(title, a cell for each cloud); alerts whose cells are equal stand in one line."""
    alerts: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if _is_metric(row):
            alerts.setdefault(tuple(row[cloud] for cloud in CLOUDS), []).append(row["title"])
    for row in rows:
        cells = [row[cloud] for cloud in CLOUDS]
        if _is_metric(row):
            names = [title.removeprefix(_ALERTS).split(" (")[0] for title in alerts.pop(tuple(cells), [])]
            if names:
                yield _ALERTS + ", ".join(names), cells
        else:
            yield row["title"], cells


def _is_metric(row: Mapping[str, str]) -> bool:
    return row["title"].startswith(_ALERTS) and row["title"].endswith(")")


def _refused(cloud: str) -> Iterator[str]:
    table: Mapping[str, Any] = support_of(cloud)
    for item in FEATURES:
        if not table[item.key].is_supported:
            yield f"{item.title}: {table[item.key].note}"


def accelerators(
    cloud: str | None = None, region: str | None = None, runtime: instances.Runtime | None = None
) -> list[dict[str, Any]]:
    """Instance types with accelerators that can be had, with USD per hour where a source tells it.

    Raises UserError for a cloud whose machines are brought, and for a region that isn't one of the cloud's.
    """
    chosen = [cloud_of(cloud)] if cloud else list(RENTED)
    if chosen[0] not in RENTED:
        raise UserError(
            f"cloud is {cloud!r}, whose machines are brought; allowed: {', '.join(RENTED)}",
            "What a brought cluster has, its nodes say.",
        )
    if region and not any(region in REGIONS[name] for name in chosen):
        known = [name for item in chosen for name in REGIONS[item]]
        raise UserError(
            f"region is {shown(region)}, which {' and '.join(chosen)} don't have; allowed: {', '.join(known)}"
            if len(chosen) > 1
            else f"region is {shown(region)}; allowed on {chosen[0]}: {', '.join(known)}",
            did_you_mean(region, known),
        )
    rows: list[dict[str, Any]] = []
    for name in chosen:
        if region and region not in REGIONS[name]:
            continue
        place = region or instances.WHOLE_REGIONS[name][0]
        for use in (runtime,) if runtime else RUNTIMES:
            rows += _offered(name, place, use)
    return rows


def _offered(cloud: str, region: str, runtime: instances.Runtime) -> Iterator[dict[str, Any]]:
    for kind, counts in instances.kinds_in(cloud, region, runtime).items():
        for count in counts:
            for item in instances.candidates(cloud, region, runtime=runtime, accelerator=kind, count=count):
                yield {
                    "cloud": cloud,
                    "region": region,
                    "runtime": runtime,
                    "accelerator": kind,
                    "count": count,
                    "instance": item.name,
                    "vcpus": item.vcpus,
                    "memory_gib": item.memory_gib,
                    "on_demand_usd": instances.price(item, region),
                    "spot_usd": instances.price(item, region, is_spot=True),
                }
