"""The dynamic resource that owns an online endpoint's weights, against what stands in for Azure ML's API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.azure import traffic
from components.azure.providers import EndpointTrafficProvider
from infra.rehearsal.azure.ml_server import DEPLOYMENT, ENDPOINT, VARIABLE, serve
from infra.rehearsal.core.account import Account, Object

PLACE = {
    "subscription_id": "00000000-0000-4000-8000-123456789012",
    "resource_group": "group",
    "workspace": "space",
    "endpoint": "predict-1",
}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An endpoint with the deployments v1 and v2."""
    account = Account(tmp_path / "account")
    properties = {"authMode": "AADToken", "description": "Releases"}
    account.put(_held(ENDPOINT, "predict-1", {"location": "westeurope", "kind": "Managed", "properties": properties}))
    for name in ("v1", "v2"):
        account.put(_held(DEPLOYMENT, name, {"endpointName": "predict-1"}))
    server = serve(account)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{server.server_address[1]}")
    yield account
    server.shutdown()
    server.server_close()


def _held(token: str, name: str, inputs: dict[str, Any]) -> Object:
    return Object(token, f"/{token}/{name}", f"urn:{name}", "group", inputs, {**inputs, "name": name})


def props(weights: dict[str, int], mirror: dict[str, int] | None = None) -> dict[str, Any]:
    return {**PLACE, "traffic": weights, "mirror": mirror or {}}


def test_weights_are_set_changed_read_and_taken_away(account: Account) -> None:
    provider = EndpointTrafficProvider()
    made = provider.create(props({"v1": 100}))
    assert traffic.weights(PLACE) == {"traffic": {"v1": 100}, "mirror": {}}
    provider.update(made.id, made.outs or {}, props({"v1": 100}, {"v2": 20}))
    assert traffic.weights(PLACE) == {"traffic": {"v1": 100}, "mirror": {"v2": 20}}
    assert provider.read(made.id, props({"v1": 100})).outs["mirror"] == {"v2": 20}
    provider.delete(made.id, props({"v1": 100}))
    assert traffic.weights(PLACE) == {"traffic": {}, "mirror": {}}


def test_a_repeated_creation_changes_nothing_more(account: Account) -> None:
    provider = EndpointTrafficProvider()
    first, second = (provider.create(props({"v1": 90, "v2": 10})) for _ in range(2))
    assert first.id == second.id
    assert traffic.weights(PLACE) == {"traffic": {"v1": 90, "v2": 10}, "mirror": {}}


def test_an_endpoint_that_is_gone_has_no_weights(account: Account) -> None:
    account.remove(ENDPOINT, f"/{ENDPOINT}/predict-1")
    provider = EndpointTrafficProvider()
    assert provider.read("id", props({"v1": 100})).id == ""
    provider.delete("id", props({"v1": 100}))


@pytest.mark.parametrize(
    ("weights", "mirror", "words"),
    [
        ({"v3": 100}, {}, "'v3' of traffic does not exist"),
        ({"v1": 90}, {}, "must add up to 0 or 100; it is 90"),
        ({"v1": 100}, {"v2": 60}, "at most 50 percent"),
        ({"v1": 90, "v2": 10}, {"v2": 10}, "'v2' has live and mirrored traffic"),
    ],
)
def test_what_the_cloud_refuses_is_refused(
    account: Account, weights: dict[str, int], mirror: dict[str, int], words: str
) -> None:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match=words):
        EndpointTrafficProvider().create(props(weights, mirror))
    assert traffic.weights(PLACE) == {"traffic": {}, "mirror": {}}


def test_only_weights_and_place_count_as_a_change() -> None:
    provider = EndpointTrafficProvider()
    # The engine keeps numbers as floats.
    assert not provider.diff("id", props({"v1": 100}), {**PLACE, "traffic": {"v1": 100.0}, "mirror": {}}).changes
    assert provider.diff("id", props({"v1": 100}), props({"v1": 90, "v2": 10})).changes
    moved = provider.diff("id", props({"v1": 100}), {**props({"v1": 100}), "endpoint": "other"})
    assert moved.replaces == ["endpoint"] and moved.delete_before_replace


def test_stacks_find_the_class_where_they_left_it() -> None:
    assert (EndpointTrafficProvider.__module__, EndpointTrafficProvider.__qualname__) == (
        "components.azure.providers",
        "EndpointTrafficProvider",
    )


def test_a_stand_in_is_on_the_loopback_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://elsewhere.example.com")
    with pytest.raises(ValueError, match=r"allowed: http://127\.0\.0\.1"):
        traffic.client(PLACE)
