"""The resource that owns all weights, over the real client, against the loopback stand-in (tier: rehearsed)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import SkywrightError
from components.gcp import vertex
from components.gcp.providers import VertexDeploymentsProvider
from infra.rehearsal.core.account import Account
from infra.rehearsal.gcp import vertex_server
from infra.rehearsal.gcp.kinds.vertex import ENDPOINT

NAME = "projects/acme-ml/locations/europe-west4/endpoints/1234567890"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    account = Account(tmp_path)
    account.bring(ENDPOINT, NAME, inputs={"displayName": "predict"})
    server = vertex_server.serve(account)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(vertex.ENDPOINT_VARIABLE, f"http://127.0.0.1:{server.server_address[1]}")
    yield account
    server.shutdown()
    server.server_close()


def props(weights: dict[str, int], **hardware: Any) -> dict[str, Any]:
    release = {"model": "digits", "version": 1, "artifact_sha256": "ab" * 32, "shadow_percent": 0}
    machine = {
        "machine_type": "g2-standard-4", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1, "min_replicas": 1,
        "max_replicas": 2, "is_spot": False, "target": 60,
        "metric": "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle",
    }  # fmt: skip
    return {
        "endpoint": NAME,
        "key": "skywright/test/predict",
        "region": "europe-west4",
        "releases": {name: {**release, "weight_percent": weight} for name, weight in weights.items()},
        "images": dict.fromkeys(weights, f"host/p/r/skywright@sha256:{'1d' * 32}"),
        "model_ids": {name: f"skywright-test-{name}" for name in weights},
        "hardware": {**machine, **hardware},
        "environment": {},
        "service_account": "serving@acme-ml.iam.gserviceaccount.com",
        "kms_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "labels": {"stack": "test"},
    }


def state(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((account.folder / vertex_server.FILE).read_text())
    return found


def split(account: Account) -> dict[str, int]:
    found: dict[str, int] = state(account)["endpoints"][NAME]["trafficSplit"]
    return found


def test_a_release_is_deployed_once_however_often_its_creation_is_repeated(account: Account) -> None:
    provider = VertexDeploymentsProvider()
    provider.create(props({"v1": 100}))
    made = provider.create(props({"v1": 100})).outs
    assert made is not None
    assert len(state(account)["models"]) == len(state(account)["endpoints"][NAME]["deployedModels"]) == 1
    assert split(account) == {made["deployed"]["v1"]: 100}


def test_all_weights_change_at_once_and_what_is_no_longer_declared_goes(account: Account) -> None:
    provider = VertexDeploymentsProvider()
    one = provider.create(props({"v1": 100})).outs
    two = provider.update("", one or {}, props({"v1": 90, "v2": 10})).outs or {}
    assert split(account) == {two["deployed"]["v1"]: 90, two["deployed"]["v2"]: 10}
    three = provider.update("", two, props({"v2": 100})).outs or {}
    assert split(account) == {three["deployed"]["v2"]: 100}
    assert list(state(account)["models"]) == [f"{NAME.split('/endpoints')[0]}/models/skywright-test-v2"]


def test_a_model_that_holds_another_artifact_is_refused(account: Account) -> None:
    VertexDeploymentsProvider().create(props({"v1": 100}))
    other = props({"v1": 100})
    other["releases"]["v1"]["artifact_sha256"] = "cd" * 32
    with pytest.raises(SkywrightError, match="holds artifact abab"):
        VertexDeploymentsProvider().create(other)


def test_replicas_are_changed_in_place_and_machines_by_another_deployment(account: Account) -> None:
    provider = VertexDeploymentsProvider()
    one = provider.create(props({"v1": 100})).outs or {}
    two = provider.update("", one, props({"v1": 100}, max_replicas=5)).outs or {}
    (model,) = state(account)["endpoints"][NAME]["deployedModels"]
    assert two["deployed"] == one["deployed"]
    assert model["dedicatedResources"]["maxReplicaCount"] == 5
    three = provider.update("", two, props({"v1": 100}, machine_type="g2-standard-8")).outs or {}
    assert three["deployed"] != one["deployed"]
    assert split(account) == {three["deployed"]["v1"]: 100}


def test_a_split_changed_by_hand_is_seen_and_mended(account: Account) -> None:
    provider = VertexDeploymentsProvider()
    made = provider.create(props({"v1": 50, "v2": 50})).outs or {}
    changed = state(account)
    changed["endpoints"][NAME]["trafficSplit"] = {made["deployed"]["v1"]: 100}
    (account.folder / vertex_server.FILE).write_text(json.dumps(changed))
    seen = provider.read("id", made).outs or {}
    assert provider.diff("id", seen, props({"v1": 50, "v2": 50})).changes
    provider.update("id", seen, props({"v1": 50, "v2": 50}))
    assert set(split(account).values()) == {50}


def test_removal_leaves_an_empty_endpoint_and_no_model(account: Account) -> None:
    provider = VertexDeploymentsProvider()
    made = provider.create(props({"v1": 100})).outs or {}
    provider.delete("id", made)
    assert state(account) == {"models": {}, "endpoints": {NAME: {"deployedModels": [], "trafficSplit": {}}}}


def test_requests_go_to_no_other_host_than_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(vertex.ENDPOINT_VARIABLE, "http://example.com")
    with pytest.raises(SkywrightError, match=r"127\.0\.0\.1"):
        VertexDeploymentsProvider().create(props({"v1": 100}))


def test_the_class_stays_where_stacks_know_it() -> None:
    kind = VertexDeploymentsProvider
    assert (kind.__module__, kind.__qualname__) == ("components.gcp.providers", "VertexDeploymentsProvider")
