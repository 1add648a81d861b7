"""Which quota a machine type draws on."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from catalog.quotas import coded, named
from catalog.quotas.machines import azure_family, built_in_gpus, ec2_group, gcp_family, gcp_gpu, vcpus

ROWS = list(csv.DictReader((files("catalog") / "instances.csv").open()))


def of(cloud: str) -> list[dict[str, str]]:
    return [row for row in ROWS if row["cloud"] == cloud]


@pytest.mark.parametrize("name", sorted({row["name"] for row in of("aws")}))
def test_every_aws_type_of_the_catalogue_has_both_its_quotas(name: str) -> None:
    group = ec2_group(name)
    assert named("aws", "ec2", f"Running On-Demand {group} instances")
    assert named("aws", "ec2", f"All {group} Spot Instance Requests")


@pytest.mark.parametrize("name", sorted({row["name"] for row in of("azure")}))
def test_every_azure_size_of_the_catalogue_has_its_family(name: str) -> None:
    family = azure_family(name)
    assert family and coded("azure", "compute", family.compute)
    assert not family.ml or coded("azure", "machine-learning", family.ml)


@pytest.mark.parametrize("row", [row for row in of("gcp") if row["accelerator"]], ids=lambda row: row["name"])
def test_every_gpu_of_google_cloud_is_spelled_as_its_quotas_are(row: dict[str, str]) -> None:
    model = gcp_gpu(row["accelerator"])
    assert model and model == gcp_gpu(row["gke_accelerator"]) == gcp_gpu(row["vertex_accelerator"])
    assert gcp_family(row["name"])


@pytest.mark.parametrize(
    ("cloud", "machine", "count"),
    [
        ("aws", "p4d.24xlarge", 96), ("aws", "m99.large", None), ("gcp", "n2-standard-8", 8),
        ("gcp", "c4-standard-16-lssd", 16), ("gcp", "e2-micro", None), ("gcp", "a2-ultragpu-8g", 96),
        ("azure", "Standard_D4ds_v5", 4), ("azure", "Standard_E4-2s_v5", 2), ("azure", "Standard_B2ms", None),
        ("azure", "Standard_NC64as_T4_v3", 64), ("azure", "Standard_DS3_v2", 4), ("azure", "standard_ds3_v2", 4),
    ],
)  # fmt: skip
def test_vcpus_come_from_the_catalogue_or_the_clouds_naming_rules(cloud: str, machine: str, count: int | None) -> None:
    assert vcpus(cloud, machine) == count


@pytest.mark.parametrize("row", of("azure") + of("gcp"), ids=lambda row: row["name"])
def test_the_naming_rules_agree_with_the_catalogue(row: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.quotas.machines._known", dict)
    assert vcpus(row["cloud"], row["name"]) in (None, int(row["vcpus"]))


def test_groups_of_ec2_are_told_apart() -> None:
    groups = (
        "inf2.xlarge",
        "im4gn.large",
        "g6e.xlarge",
        "vt1.3xlarge",
        "trn1.2xlarge",
        "x2idn.16xlarge",
        "u-6tb1.metal",
    )
    assert [ec2_group(name) for name in groups] == [
        "Inf", "Standard (A, C, D, H, I, M, R, T, Z)", "G and VT", "G and VT", "Trn", "X", None,
    ]  # fmt: skip


def test_gpus_that_a_machine_type_brings() -> None:
    assert built_in_gpus("a2-ultragpu-8g") == ("A100-80", 8)
    assert built_in_gpus("n1-standard-8") is None and built_in_gpus("e2-standard-4") is None
