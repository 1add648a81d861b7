"""Endpoints with releases: what is declared counts, at the most that its scaling allows (tier: graph)."""

from __future__ import annotations

from typing import Any

from infra.reading import declared
from policies.quota import demand
from tests.graph.foundation import settings_of

REGIONS = {"aws": "eu-west-1", "gcp": "europe-west4", "azure": "westeurope"}
URLS = {"aws": "s3://b/m/", "gcp": "gs://b/m", "azure": "abfss://artifacts@acct.dfs.core.windows.net/m"}
T4 = {"kind": "T4", "count": 1}


def needs(cloud: str, **endpoint: Any) -> dict[str, float | None]:
    release = {
        "model": "digits", "version": 1, "artifact_url": URLS[cloud], "artifact_sha256": "ab" * 32,
        "image_digest": f"sha256:{'1d' * 32}",
    }  # fmt: skip
    releases = {"v1": {**release, "weight_percent": 90}, "v2": {**release, "version": 2, "weight_percent": 10}}
    settings = settings_of(cloud=cloud, region=REGIONS[cloud], endpoint={"releases": releases, **endpoint})
    return {item.name: item.needed for item in demand(declared(settings), region=REGIONS[cloud])}


def test_each_variant_of_sagemaker_grows_to_its_own_maximum() -> None:
    found = needs("aws", accelerator=T4, min_replicas=1, max_replicas=5)
    assert found["ml.g4dn.xlarge for endpoint usage"] == 10
    assert found["Maximum number of instances per endpoint"] == 10
    assert found["Number of instances across active endpoints"] == 10


def test_a_fleet_that_does_not_grow_counts_as_it_is() -> None:
    assert needs("aws", min_replicas=2, max_replicas=2)["Number of instances across active endpoints"] == 4


def test_vertex_deploys_each_release_on_machines_of_its_own() -> None:
    found = needs("gcp", accelerator=T4, min_replicas=1, max_replicas=3)
    assert found["custom_model_serving_nvidia_t4_gpus"] == 6
    assert found["custom model serving vCPUs of N1 machines"] == 6 * 4


def test_azure_holds_a_fifth_back_for_each_deployment() -> None:
    found = needs("azure", accelerator=T4, min_replicas=1, max_replicas=3)
    assert found["standard NCASv3_T4 Family"] == 2 * 4 * 4  # ceil(3.6) twice, 4 cores each
    assert found["Number of instances per deployment"] == 3
    assert found["Number of deployments per endpoint"] == found["Number of deployments per subscription"] == 2


def test_azure_holds_nothing_back_of_exempt_families() -> None:
    found = needs("azure", accelerator={"kind": "A100-80", "count": 1}, min_replicas=1, max_replicas=3)
    assert found["standardNCADSA100v4Family"] == 2 * 3 * 24
