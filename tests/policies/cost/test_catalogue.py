"""The catalogue's files: every line has a source; a damaged or stale file is told in one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from catalog.errors import UserError
from catalog.prices import lines, services


@pytest.mark.parametrize("name", lines.NAMES)
def test_every_line_has_a_source(name: str) -> None:
    assert [line.number for line in lines.rows(name) if not line.cells["source"]] == []


def test_prices_come_by_the_exact_region_then_by_global_and_from_nowhere_else() -> None:
    assert services.rates("aws", "sqs", "standard_requests", "us-east-1")
    assert services.rates("gcp", "gke", "cluster_management", "europe-west4")[0].region == "global"
    assert services.rates("aws", "sqs", "standard_requests", "eu-west-1") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "columns are missing"),
        ("cloud,service\na,b\n", "columns are missing: source, source_date"),
        ("usd_per_unit,source,source_date\n", "it has no prices"),
        ("usd_per_unit,source,source_date\n1,x\n", "it has not 3 columns"),
        ('usd_per_unit,source,source_date\n1,"x,\n', "can't be read"),
        ("usd_per_unit,source,source_date\n1,x,yesterday\n", "source_date is 'yesterday'"),
        (None, "can't be read"),
        ("\udcff", "can't be read"),
    ],
)
def test_a_damaged_file_is_told_in_one_line(
    text: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "files", lambda _: tmp_path)
    if text is not None:
        (tmp_path / "services.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=said) as found:
        lines.newest("services.csv")
    assert "catalog/prices/services.csv" in str(found.value) and "\n" not in str(found.value)
    assert "skywright prices refresh" in str(found.value)


def test_a_price_that_is_no_number_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heading = "cloud,service,dimension,unit,region,usd_per_unit,tier_from,tier_to,confidence,source,source_date"
    (tmp_path / "services.csv").write_text(f"{heading}\naws,s3,x,GB,us-east-1,cheap,0,,read,me,2026-01-01\n")
    monkeypatch.setattr(lines, "files", lambda _: tmp_path)
    services._table.cache_clear()
    try:
        with pytest.raises(UserError, match="line 2: the price catalogue is damaged"):
            services.rates("aws", "s3", "x", "us-east-1")
    finally:
        services._table.cache_clear()


def test_a_stale_catalogue_is_told_with_the_age_of_its_files() -> None:
    days = {name: day for name in lines.NAMES if (day := lines.newest(name))}
    assert lines.stale(min(days.values())) is None
    error = lines.stale(date(2031, 1, 1))
    assert error is not None
    assert all(f"{name} ({(date(2031, 1, 1) - day).days} days)" in str(error) for name, day in days.items())
    assert "allowed: 180 days" in str(error) and "\n" not in str(error)
