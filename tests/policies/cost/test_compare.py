"""The same neutral settings on each cloud."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from catalog.errors import UserError
from catalog.regions import REGIONS
from infra import comparing
from infra.cli import compare as command
from infra.settings import Settings
from policies.resources import Resource
from tests.graph.harness import STACKS


def one_address(settings: Settings) -> list[Resource]:
    """Stands for the program: what it would declare is not the point here."""
    return [
        Resource(f"skywright:{settings.cloud}:Network", "network", {"spec": {}}, urn="u:network"),
        Resource("aws:ec2/eip:Eip", f"{settings.cloud}-{settings.region}", {}, parent="u:network"),
    ]


@pytest.mark.parametrize(
    ("cloud", "region", "expected"),
    [
        ("gcp", "eu-west-1", "europe-west4"), ("azure", "europe-west4", "westeurope"), ("aws", "westus2", "us-west-2"),
        ("aws", "us-central1", "us-east-1"), ("gcp", "europe-west1", "europe-west1"),
        ("azure", "ap-south-1", "southeastasia"),
        ("gcp", "eu-central-1", "europe-west3"), ("aws", "datacenter-1", "us-east-1"), ("kubernetes", "here", "here"),
        ("aws", None, "us-east-1"),
    ],
)  # fmt: skip
def test_the_nearest_region(cloud: str, region: str | None, expected: str) -> None:
    assert comparing.region_on(cloud, region) == expected


def test_every_region_has_a_nearest_one_on_each_cloud() -> None:
    for regions in REGIONS.values():
        for region in regions:
            for cloud in REGIONS:
                assert comparing.region_on(cloud, region) in REGIONS[cloud]


def test_cloud_region_and_accelerators_are_swapped_and_told() -> None:
    seen: list[Settings] = []

    def read(settings: Settings) -> list[Resource]:
        seen.append(settings)
        return one_address(settings)

    priced = comparing.compare(STACKS / "Pulumi.aws-prod.yaml", ["aws", "gcp", "azure"], read=read)
    assert [(item.cloud, item.region) for item in priced] == [
        ("aws", "eu-west-1"), ("gcp", "europe-west4"), ("azure", "westeurope"),
    ]  # fmt: skip
    assert [settings.cloud for settings in seen] == ["aws", "gcp", "azure"]
    assert seen[1].training.pools["spot-small"].accelerator is not None
    assert seen[1].training.pools["spot-small"].accelerator.kind == "L4"
    assert priced[0].remarks == () and "pool spot-small: 8 x 1 L4 in place of 8 x 1 A10G" in priced[1].remarks
    for own, other in zip(seen[0].training.pools.values(), seen[2].training.pools.values(), strict=True):
        assert own.accelerator and other.accelerator
        assert other.accelerator.count * other.max_count >= own.accelerator.count * own.max_count


def test_what_a_cloud_cannot_hold_says_why_and_keeps_nobody_else_from_a_price() -> None:
    priced = comparing.compare(STACKS / "Pulumi.gcp-prod.yaml", ["aws", "gcp"], read=one_address)
    assert priced[0].estimate is None and "A100-80" in priced[0].problem and "\n" not in priced[0].problem
    assert priced[1].estimate is not None


def test_a_clusters_teams_stay_on_a_cluster() -> None:
    (priced,) = comparing.compare(STACKS / "Pulumi.kubernetes-prod.yaml", ["aws"], read=one_address)
    assert priced.estimate is not None and "runtime kubernetes, as on the stack's own cluster" in priced.remarks


def test_usage_made_for_one_cloud_does_not_stop_another(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.s.yaml"
    file.write_text(
        "config:\n  skywright:cloud: aws\n  skywright:region: us-east-1\n"
        "  skywright:usage: {network: {monthly_egress_data_transfer_gb: 1000}, aws-us-east-1: {}}\n"
    )
    aws, kubernetes = comparing.compare(file, ["aws", "kubernetes"], read=one_address)
    assert aws.estimate and aws.estimate.lines[0].monthly_usd == Decimal("90.00")
    assert kubernetes.estimate and any("counts for nothing" in text for text in kubernetes.estimate.assumptions)


@pytest.mark.parametrize("given", ["aws", "aws=", "mars=us-east-1", "aws=us-east1"])
def test_a_wrong_region_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="--region is"):
        comparing.regions_given([given])


def test_a_wrong_cloud_is_refused() -> None:
    with pytest.raises(UserError, match=r"--clouds names 'azzure'; allowed: .*Did you mean azure"):
        comparing.clouds_given("aws,azzure")
    with pytest.raises(UserError, match="--clouds is empty"):
        comparing.clouds_given(" ,")


def test_the_table_fits_one_screen_and_shows_unknown_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    command.register(app)
    app.command("other")(lambda: None)
    shown = (
        CliRunner().invoke(app, ["compare", "aws-prod", "--clouds", "aws,kubernetes"], catch_exceptions=False).output
    )
    assert "likely" in shown and "lines unknown" in shown and "unknown" in shown
    assert len(shown.splitlines()) <= 40
    text = CliRunner().invoke(app, ["compare", "aws-prod", "--clouds", "aws", "--json"], catch_exceptions=False).output
    (data,) = json.loads(text)
    assert data["cloud"] == "aws" and Decimal(data["total"]) > 0
    assert data["unknown"] == sum(part["unknown"] for part in data["parts"].values())
