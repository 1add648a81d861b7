"""What is known of starts and of how long spot lasts: sourced, in range, and measured where it says so."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from catalog import capacity
from catalog.instances import Instance, candidates

KNOWN = {
    "aws": [candidates("aws", None, runtime="kubernetes", accelerator="V100", count=count)[0].name for count in (1, 8)],
    "azure": [candidates("azure", None, runtime="kubernetes", accelerator="A100-80", count=4)[0].name],
}
TRACES = Path(__file__).parents[1] / "data" / "spot" / "traces.json.gz"


def one(cloud: str, name: str, runtime: str) -> Instance:
    return Instance(cloud, name, None, 0, 4, 16, frozenset({runtime}))


def test_every_fact_has_a_source_and_is_the_dearer_end_of_its_range() -> None:
    assert len(capacity.facts()) > 3
    for fact in capacity.facts():
        assert fact.source.startswith("https://") and fact.note and fact.what in ("start_s", "mtbf_s"), fact
        assert fact.low_s is None or (fact.low_s <= fact.seconds and fact.seconds == fact.high_s), fact
        assert fact.instance_type == "*" or fact.instance_type in KNOWN[fact.cloud], fact


@pytest.mark.parametrize(
    ("instance", "region", "start_s", "mtbf_s"),
    [
        (one("gcp", "g2-standard-4", "kubernetes"), "europe-west4", 120, None),
        (one("gcp", "g2-standard-4", "managed"), "europe-west4", None, None),
        (one("azure", "Standard_NC96ads_A100_v4", "kubernetes"), "westeurope", 600, None),
        (one("azure", "Standard_NC4as_T4_v3", "kubernetes"), "westeurope", None, None),
        (one("aws", "ml.p3.2xlarge", "managed"), "us-west-2", None, 8069),
        (one("aws", "p3.2xlarge", "kubernetes"), "eu-west-1", None, None),
    ],
)
def test_what_is_not_known_stays_unknown(
    instance: Instance, region: str, start_s: float | None, mtbf_s: float | None
) -> None:
    assert (capacity.start_s(instance, region), capacity.mtbf_s(instance, region)) == (start_s, mtbf_s)


@pytest.mark.parametrize(("instance_type", "places"), [
    ("p3.2xlarge", ("us-west-2a_v100_1", "us-west-2b_v100_1")),
    ("p3.16xlarge", ("us-west-2a_v100_8", "us-west-2b_v100_8")),
])  # fmt: skip
def test_how_long_spot_lasts_is_what_was_measured(instance_type: str, places: tuple[str, str]) -> None:
    with gzip.open(TRACES) as file:
        traces = json.load(file)["traces"]
    series = [each for place in places for each in traces[place]]
    there_s = sum(each["available"].count("1") * each["gap_seconds"] for each in series)
    ended = sum(each["available"].count("10") for each in series)
    [fact] = [fact for fact in capacity.facts() if fact.instance_type == instance_type]
    assert fact.seconds == round(there_s / ended)
