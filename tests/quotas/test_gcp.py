"""Google's quotas from a service on this machine, in the form of the REST reference."""

from __future__ import annotations

from typing import Any

import pytest

from infra.quotas import gcp, rest
from infra.quotas.gcp import NO_VALUE, UNLISTED, Session
from policies.quota import Demand, Limit, Status, check
from policies.quota.model import of_quota
from tests.quotas.loopback import Service

REGION = "europe-west4"
HOME = "/compute/v1/projects/acme"
INFOS = "/v1/projects/acme/locations/global/services/{}/quotaInfos"
N2 = of_quota("gcp", "compute", "N2_CPUS", 8, "pool")
GLOBAL = of_quota("gcp", "compute", "GPUs (all regions)", 8, "pool")
H100 = of_quota("gcp", "compute", "GPUs per GPU family", 8, "pool", dimension="NVIDIA_H100")
L4 = of_quota("gcp", "vertex-ai", "custom_model_training_nvidia_l4_gpus", 2, "pool")
H200 = of_quota("gcp", "vertex-ai", "CustomModelTrainingH200GPUsPerProjectPerRegion", 8, "pool")


def read(service: Service, *demands: Demand) -> dict[str, Limit]:
    session = Session("t0ken", "acme", compute=service.url, quotas=service.url)
    return gcp.limits(REGION, demands, session=session)


def info(id: str, metric: str, *values: dict[str, Any]) -> dict[str, Any]:
    return {"quotaId": id, "metric": f"aiplatform.googleapis.com/{metric}", "dimensionsInfos": list(values)}


def test_regions_and_the_project_give_limits_and_usage(service: Service) -> None:
    service.answers = {
        f"{HOME}/regions/{REGION}": (200, {"quotas": [{"metric": "N2_CPUS", "limit": 24.0, "usage": 8.0}]}),
        HOME: (200, {"quotas": [{"metric": "GPUS_ALL_REGIONS", "limit": 0.0}]}),
    }
    found = read(service, N2, GLOBAL)
    assert found == {N2.key: Limit(24, used=8), GLOBAL.key: Limit(0)}
    assert {headers["authorization"] for *_, headers in service.asked} == {"Bearer t0ken"}
    assert [line.status for line in check([N2, GLOBAL], found)] == [Status.ENOUGH, Status.SHORT]


def test_a_metric_that_the_region_leaves_out_is_looked_up_and_never_taken_as_0(service: Service) -> None:
    service.answers = {
        f"{HOME}/regions/{REGION}": (200, {"quotaStatusWarning": {"code": "LIST_OVERALL_QUOTAS"}}),
        INFOS.format("compute.googleapis.com"): (200, {"quotaInfos": []}),
    }
    assert read(service, N2) == {N2.key: Limit(None, UNLISTED)}


def test_the_most_particular_value_of_a_family_in_the_region_holds(service: Service) -> None:
    name = "GPUS-PER-GPU-FAMILY-per-project-region"
    service.answers[INFOS.format("compute.googleapis.com")] = (200, {"quotaInfos": [{
        "quotaId": name, "metric": "compute.googleapis.com/gpus_per_gpu_family", "dimensionsInfos": [
            {"details": {"value": "1"}, "applicableLocations": [REGION, "us-central1"]},
            {"dimensions": {"region": REGION}, "details": {"value": "2"}},
            {"dimensions": {"region": REGION, "gpu_family": "NVIDIA_H200"}, "details": {"value": "99"}},
            {"dimensions": {"region": REGION, "gpu_family": "NVIDIA_H100"}, "details": {"value": "16"}},
            {"dimensions": {"region": "us-central1", "gpu_family": "NVIDIA_H100"}, "details": {"value": "77"}},
        ]}]})  # fmt: skip
    assert read(service, H100) == {H100.key: Limit(16)}
    assert [path for path, *_ in service.asked] == [INFOS.format("compute.googleapis.com")]


def test_vertex_is_found_by_metric_and_by_id_over_all_pages(service: Service) -> None:
    url = INFOS.format("aiplatform.googleapis.com")
    here = {"dimensions": {"region": REGION}, "details": {"value": "4"}}
    service.answers = {
        url: (200, {"quotaInfos": [info("X", L4.code, here)], "nextPageToken": "more"}),
        f"{url}?more": (200, {"quotaInfos": [info(H200.code, "h200", {"applicableLocations": [REGION]})]}),
    }
    assert read(service, L4, H200) == {L4.key: Limit(4), H200.key: Limit(None, NO_VALUE)}


def test_what_has_no_name_is_not_asked_for(service: Service) -> None:
    assert read(service, of_quota("gcp", "vertex-ai", "serving vCPUs", 8, "endpoint"), N2).keys() == {N2.key}


def test_unlimited_is_said_and_enough(service: Service) -> None:
    service.answers[f"{HOME}/regions/{REGION}"] = (200, {"quotas": [{"metric": "N2_CPUS", "limit": -1}]})
    (line,) = check([N2], read(service, N2))
    assert (line.status, line.limit, line.note) == (Status.ENOUGH, None, "unlimited")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, {"error": {"message": "Required 'compute.regions.get'\n permission"}},
         "answered 403: Required 'compute.regions.get' permission"),
        (500, b"<html>", "answered 500"),
        (200, b"[]", "something else than a JSON object"),
        (200, b"{", "something else than a JSON object"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line(service: Service, status: int, body: Any, said: str) -> None:
    service.answers[f"{HOME}/regions/{REGION}"] = (status, body)
    limit = read(service, N2)[N2.key]
    assert limit.value is None and said in limit.note and "\n" not in limit.note and "t0ken" not in limit.note


def test_one_service_that_fails_leaves_the_other(service: Service) -> None:
    service.answers[f"{HOME}/regions/{REGION}"] = (200, {"quotas": [{"metric": "N2_CPUS", "limit": 24}]})
    found = read(service, N2, L4)
    assert found[N2.key] == Limit(24) and found[L4.key].value is None


def test_a_service_that_hangs_is_left(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest.Rest.__init__, "__kwdefaults__", {"timeout_s": 0.2})
    service.delay_s = 1
    assert "gave no answer in time" in read(service, N2)[N2.key].note
