"""The catalogue's files, line by line: every price traces to one of them, with its source and date."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

from catalog.errors import UserError

NAMES = (
    "instances-aws.csv", "instances-azure.csv", "instances-gcp.csv", "gcp-gpu-machines-whole.csv", "services.csv",
)  # fmt: skip
MAX_AGE_DAYS = 180
REMEDY = "Renew it: skywright prices refresh; a broken file comes back with the release."


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file. `number` counts from 1, the heading is line 1."""

    file: str
    number: int
    cells: Mapping[str, str]

    @property
    def origin(self) -> str:
        """`services.csv:12, infracost/..., 2025-07-04`: where the number stands, who said it, and when."""
        return f"{self.file}:{self.number}, {self.cells['source']}, {self.cells['source_date'] or 'undated'}"


def rows(name: str) -> Iterator[Line]:
    """All lines of a file. Raises UserError where the file is damaged: absent, cut off, or without its columns."""
    try:
        with (files(__package__) / name).open("r", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or ()
            if missing := {"source", "source_date"} - set(columns):
                raise damaged(name, 1, f"columns are missing: {', '.join(sorted(missing))}")
            count = 0
            for cells in reader:
                if None in cells or None in cells.values():
                    raise damaged(name, reader.line_num, f"it has not {len(columns)} columns")
                count += 1
                yield Line(name, reader.line_num, cells)
            if not count:
                raise damaged(name, 1, "it has no prices")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise damaged(name, 1, f"it can't be read: {error}") from None


def damaged(name: str, line: int, why: str) -> UserError:
    return UserError(f"catalog/prices/{name}, line {line}: the price catalogue is damaged: {why}", REMEDY)


def newest(name: str) -> date | None:
    """The latest date that a line of the file bears."""
    found = None
    for line in rows(name):
        if text := line.cells["source_date"]:
            try:
                day = date.fromisoformat(f"{text}-01-01"[: len("YYYY-MM-DD")])
            except ValueError:
                why = f"source_date is {text!r}; allowed: YYYY-MM-DD, YYYY-MM or YYYY"
                raise damaged(name, line.number, why) from None
            found = day if found is None else max(found, day)
    return found


def stale(today: date, *, max_age_days: int = MAX_AGE_DAYS) -> UserError | None:
    """What to say when files are older than that; the oldest file first. None while all are fresh."""
    ages = {name: (today - day).days for name in NAMES if (day := newest(name)) is not None}
    old = sorted((name for name, age in ages.items() if age > max_age_days), key=lambda name: -ages[name])
    if not old:
        return None
    said = ", ".join(f"{name} ({ages[name]} days)" for name in old)
    return UserError(
        f"the price catalogue is stale: {said}; allowed: {max_age_days} days", "Renew it: skywright prices refresh."
    )


@functools.cache
def machine_lines() -> Mapping[tuple[str, str, str], Line]:
    """(file, instance type or accelerator `kind x count`, region) -> line, of the files of machines."""
    found = {}
    for name in NAMES:
        if name == "services.csv":
            continue
        for line in rows(name):
            cells = line.cells
            key = cells["instance_type"] or f"{cells['accelerator']} x {cells['accelerator_count']}"
            found[name, key, cells["region"]] = line
    return found


def origins_of(cloud: str, machine: str, region: str, accelerator: str | None = None, count: int = 0) -> list[Line]:
    """The lines that a machine's price is made of: one, or on Google Cloud its host's and its accelerator's."""
    lines = machine_lines()
    if cloud == "gcp" and (whole := lines.get(("gcp-gpu-machines-whole.csv", machine, region))):
        return [whole]
    file = f"instances-{cloud}.csv"
    found = [lines.get((file, machine, region))]
    if cloud == "gcp" and accelerator:
        named = {"A100-40": "A100", "A100-80": "A100-80GB"}.get(accelerator, accelerator)
        found.append(lines.get((file, f"{named} x {count}", region)))
    return [line for line in found if line is not None]
