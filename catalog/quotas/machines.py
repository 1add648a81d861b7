"""Which quota a machine type draws on, and its vCPUs; None where it isn't known, never a guess. Sources: README.md."""

from __future__ import annotations

import csv
import functools
import re
from dataclasses import dataclass
from importlib.resources import files

_STANDARD = ("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z")
_EC2_GROUPS = {
    **dict.fromkeys(_STANDARD, "Standard (A, C, D, H, I, M, R, T, Z)"),
    **dict.fromkeys(("g", "gr", "vt"), "G and VT"),
    "p": "P", "inf": "Inf", "trn": "Trn", "dl": "DL", "f": "F", "x": "X", "hpc": "HPC",
}  # fmt: skip

_GCP_GPUS = {
    "T4": "NVIDIA_T4", "L4": "NVIDIA_L4", "V100": "NVIDIA_V100", "A100-40": "NVIDIA_A100",
    "A100-80": "NVIDIA_A100_80GB", "H100": "NVIDIA_H100", "H200": "NVIDIA_H200",
}  # fmt: skip
_GCP_API_GPUS = {
    "nvidia-tesla-t4": "NVIDIA_T4", "nvidia-l4": "NVIDIA_L4", "nvidia-tesla-v100": "NVIDIA_V100",
    "nvidia-tesla-p100": "NVIDIA_P100", "nvidia-tesla-p4": "NVIDIA_P4", "nvidia-tesla-a100": "NVIDIA_A100",
    "nvidia-a100-80gb": "NVIDIA_A100_80GB", "nvidia-h100-80gb": "NVIDIA_H100", "nvidia-h200-141gb": "NVIDIA_H200",
}  # fmt: skip

_GCP_NAMED = re.compile(
    r"^([a-z][0-9]+[a-z]?)-(?:standard|highmem|highcpu|ultramem|megamem|hypermem)-([0-9]+)(?:-.+)?$"
)
_AZURE_NAMED = re.compile(r"^standard_[a-z]+([0-9]+)(?:-([0-9]+))?[a-z]*(?:_.+)?_v([3-9]|[1-9][0-9])$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AzureFamily:
    """`compute`, `ml`: the code of the family's quota there, empty where it isn't known. `is_exempt`: from the fifth of
    instances that Azure ML holds back for upgrades of managed online deployments."""

    compute: str
    ml: str = ""
    is_exempt: bool = False


_AZURE_FAMILIES: tuple[tuple[str, AzureFamily], ...] = (
    (r"NC\d+as_T4_v3", AzureFamily("Standard NCASv3_T4 Family", "standard NCASv3_T4 Family")),
    (r"NC\d+r?s_v3", AzureFamily("standardNCSv3Family", "standardNCSv3Family")),
    (r"NC\d+ads_A10_v4", AzureFamily("StandardNCADSA10v4Family")),
    (r"NC\d+ads_A100_v4", AzureFamily("StandardNCADSA100v4Family", "standardNCADSA100v4Family", True)),
    (r"NC\d+adi?s_H100_v5", AzureFamily("StandardNCadsH100v5Family", "standardNCADSH100v5Family", True)),
    (r"ND40rs_v2", AzureFamily("standardNDSv2Family", "standardNDSv2Family", True)),
    (r"ND96asr_v4", AzureFamily("Standard NDASv4_A100 Family", "standard NDASv4_A100 Family", True)),
    (r"ND96amsr_A100_v4", AzureFamily("standard NDAMSv4_A100Family", "standard NDAMSv4_A100Family", True)),
    (r"ND96isr?_H100_v5", AzureFamily("standardNDSH100v5Family", "standardNDv5H100Family", True)),
    (r"ND96isr_H200_v5", AzureFamily("standardNDISRH200V5Family")),
    (r"ND96isr?_MI300X_v5", AzureFamily("standardNDISv5MI300XFamily")),
    (r"NV\d+adm?s_A10_v5", AzureFamily("StandardNVADSA10v5Family", "standardNVADSA10v5Family")),
    (r"DS\d+_v2", AzureFamily("standardDSv2Family", "standardDSv2Family")),
    (r"D\d+_v3", AzureFamily("standardDv3Family")),
    (r"D\d+s_v3", AzureFamily("standardDSv3Family")),
    (r"D\d+s_v4", AzureFamily("standardDSv4Family")),
    (r"D\d+ds_v4", AzureFamily("standardDDSv4Family")),
    (r"D\d+as_v4", AzureFamily("standardDASv4Family", "standardDASv4Family")),
    (r"D\d+s_v5", AzureFamily("standardDSv5Family")),
    (r"D\d+ds_v5", AzureFamily("standardDDSv5Family")),
    (r"D\d+as_v5", AzureFamily("standardDASv5Family")),
    (r"D\d+ads_v5", AzureFamily("standardDADSv5Family")),
    (r"D\d+ps_v5", AzureFamily("standardDPSv5Family")),
    (r"D\d+s_v6", AzureFamily("StandardDsv6Family")),
    (r"D\d+ds_v6", AzureFamily("StandardDdsv6Family")),
    (r"D\d+as_v6", AzureFamily("standardDav6Family")),
    (r"E\d+s_v3", AzureFamily("standardESv3Family", "standardESv3Family")),
    (r"E\d+s_v4", AzureFamily("standardESv4Family")),
    (r"E\d+ds_v4", AzureFamily("standardEDSv4Family")),
    (r"E\d+s_v5", AzureFamily("standardESv5Family")),
    (r"E\d+ds_v5", AzureFamily("standardEDSv5Family")),
    (r"E\d+as_v4", AzureFamily("standardEASv4Family")),
    (r"E\d+ads_v5", AzureFamily("standardEADSv5Family")),
    (r"E\d+i?s_v6", AzureFamily("StandardEsv6Family")),
    (r"F\d+s_v2", AzureFamily("standardFSv2Family", "standardFSv2Family")),
    (r"F\d+as_v6", AzureFamily("StandardFasv6Family")),
)


def vcpus(cloud: str, machine: str) -> int | None:
    """Of one machine: from the catalogue, else from the type's name where the cloud's naming rules tell.

    An AWS name tells nothing. `machine` without SageMaker's `ml.`.
    """
    if (known := _known().get((cloud, machine.lower()))) is not None:
        return known
    if cloud == "gcp" and (named := _GCP_NAMED.match(machine)):
        return int(named[2])
    if cloud == "azure" and (named := _AZURE_NAMED.match(machine)):
        return int(named[2] or named[1])
    return None


def ec2_group(machine: str) -> str | None:
    """The group of families that EC2 counts together, as its quotas' names have it."""
    letters = re.match(r"^([a-z]+)[0-9]", machine)
    return _EC2_GROUPS.get(letters[1]) if letters else None


def gcp_family(machine: str) -> str | None:
    """`N2`, `A2`, `E2` ...; None for a name that isn't of the usual form."""
    found = re.match(r"^([a-z][0-9]+[a-z]?)-[a-z]", machine)
    return found[1].upper() if found else None


def gcp_gpu(accelerator: str) -> str | None:
    """Of a neutral name (`A100-80`) or of Compute Engine's (`nvidia-a100-80gb`): the model as quotas spell it."""
    return _GCP_GPUS.get(accelerator) or _GCP_API_GPUS.get(accelerator.lower().replace("_", "-"))


def azure_family(machine: str) -> AzureFamily | None:
    """Of a size such as `Standard_NC4as_T4_v3`."""
    size = re.sub(r"^standard_", "", machine, flags=re.IGNORECASE)
    return next((family for form, family in _AZURE_FAMILIES if re.fullmatch(form, size, re.IGNORECASE)), None)


def built_in_gpus(machine: str) -> tuple[str, int] | None:
    """The neutral kind and count that a machine type of Google Cloud has by itself (A2, A3, G2); None where none."""
    return None if machine.startswith("n1-") else _built_in().get(machine)


@functools.cache
def _built_in() -> dict[str, tuple[str, int]]:
    with (files("catalog") / "instances.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["cloud"] == "gcp" and row["accelerator"]]
    return {row["name"]: (row["accelerator"], int(row["accelerator_count"])) for row in rows}


@functools.cache
def _known() -> dict[tuple[str, str], int]:
    with (files("catalog") / "instances.csv").open(encoding="utf-8") as file:
        return {(row["cloud"], row["name"].lower()): int(row["vcpus"]) for row in csv.DictReader(file)}
