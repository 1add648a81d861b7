"""Renews the catalogue's files of machines, row by row, and records it. What doesn't answer changes nothing."""

from __future__ import annotations

import csv
import io
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from infra.prices.fetching import NoAnswer
from infra.prices.sources import Quote, Source, Wanted

CHANGES = "changes.csv"
_COLUMNS = ("date", "file", "instance_type", "accelerator", "count", "region", "price", "old", "new", "source")
MAX_FACTOR = 5.0
"""List prices don't move that far at once: an answer that says so is taken for a mistake, and nothing of it is kept."""

_ON_DEMAND = "on_demand_usd_per_hour"
_SPOT = ("spot_usd_per_hour_min", "spot_usd_per_hour_median", "spot_usd_per_hour_max")
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status`: renewed, unchanged (the interface confirms every price that it knows) or kept (`why` it failed)."""

    cloud: str
    status: str
    confirmed: int = 0
    changed: int = 0
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def refresh(folder: Path, sources: Mapping[str, Source], *, today: date) -> list[Outcome]:
    """Each cloud by its own source: one that fails leaves its file as it is and doesn't keep the others from theirs."""
    return [_renew(folder, cloud, source, today) for cloud, source in sources.items()]


def _renew(folder: Path, cloud: str, source: Source, today: date) -> Outcome:
    path = folder / f"instances-{cloud}.csv"
    rows, columns = _read(path)
    keys = [_wanted(row) for row in rows]
    try:
        quotes = source.quotes(keys)
        _judge(rows, keys, quotes)
    except NoAnswer as error:
        return Outcome(cloud, "kept", why=str(error))
    changes: list[Row] = []
    renewed = [
        _row(row, quotes.get(key, Quote()), path.name, source.name, today, changes)
        for row, key in zip(rows, keys, strict=True)
    ]
    if changes:
        record = folder / CHANGES
        old = _read(record)[0] if record.exists() else []
        _write(record, _COLUMNS, [*old, *changes])  # first: a change must not go unrecorded
    _write(path, columns, renewed)
    return Outcome(cloud, "renewed" if changes else "unchanged", len(quotes), len(changes))


def _wanted(row: Row) -> Wanted:
    return Wanted(
        row["instance_type"], row["region"], row["accelerator"], int(row["accelerator_count"] or 0),
        float(row["vcpus"] or 0), float(row["memory_gib"] or 0),
    )  # fmt: skip


def _judge(rows: Sequence[Row], keys: Sequence[Wanted], quotes: Mapping[Wanted, Quote]) -> None:
    """Raises NoAnswer for an answer that can't be right."""
    if not quotes:
        raise NoAnswer("it answers, but with no price of any machine of the catalogue")
    for row, key in zip(rows, keys, strict=True):
        quote = quotes.get(key)
        for name, old, new in (
            ("on-demand", row[_ON_DEMAND], quote.on_demand if quote else None),
            ("spot", "", quote.spot if quote else None),
        ):
            if new is None:
                continue
            what = f"{name} of {key.machine or key.accelerator} in {key.region}"
            if not math.isfinite(new) or new <= 0:
                raise NoAnswer(f"{what} is {new}; allowed: more than 0")
            if old and float(old) > 0 and not 1 / MAX_FACTOR <= new / float(old) <= MAX_FACTOR:
                raise NoAnswer(f"{what} goes from {old} to {new}, more than {MAX_FACTOR:g} times: taken for a mistake")


def _row(row: Row, quote: Quote, file: str, source: str, today: date, changes: list[Row]) -> Row:
    """The row with what was quoted; appends to `changes` what differs. What the source doesn't say keeps its origin."""
    new = dict(row)
    for columns, value in (((_ON_DEMAND,), quote.on_demand), (_SPOT, quote.spot)):
        if value is None:
            continue
        for column in columns:
            if not row[column] or not math.isclose(float(row[column]), value, rel_tol=1e-9):
                new[column] = f"{value:g}" if value == float(f"{value:g}") else repr(value)
                changes.append(
                    {
                        "date": today.isoformat(), "file": file, "instance_type": row["instance_type"],
                        "accelerator": row["accelerator"], "count": row["accelerator_count"], "region": row["region"],
                        "price": column.removesuffix("_usd_per_hour"), "old": row[column], "new": new[column],
                        "source": source,
                    }
                )  # fmt: skip
    if quote.on_demand is not None:
        keeps_spot = quote.spot is None and bool(row[_SPOT[0]])
        old = row["source"].rpartition("; spot: ")[2]
        new["source"] = f"{source}; spot: {old}" if keeps_spot else source
        new["source_date"] = today.isoformat()
    return new


def _read(path: Path) -> tuple[list[Row], list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader), list(reader.fieldnames or ())


def _write(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
