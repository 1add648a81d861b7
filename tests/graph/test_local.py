"""What the local stack declares (tier: graph); that it runs is held in tests/engine."""

from __future__ import annotations

import inspect
import json
from typing import get_args

import pytest

from catalog.errors import UserError
from components import contract as components
from components.exports import HOMES
from components.local.settings import AlwaysMarket, ModelMarket, TraceMarket
from components.local.training import mean_up_s
from infra.program import components_of
from infra.settings import load
from ml_jobs.contract import StackContract
from tests.graph.harness import Graph, declare, graph

SHA = "ab" * 32


def settings(**sections: object):  # type: ignore[no-untyped-def]
    config = {"skywright:cloud": "local"} | {
        f"skywright:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in sections.items()
    }
    return load(config, stack="test")


def released(version: int, weight: float, sha: str = SHA) -> dict[str, object]:
    return {
        "model": "digits", "version": version, "artifact_url": "file:///a", "artifact_sha256": sha,
        "approval_ref": "file:///log#sha256=" + SHA, "weight_percent": weight,
    }  # fmt: skip


@graph("local")
def test_every_component_and_process_of_the_local_stack_is_declared_once(declared: Graph) -> None:
    kinds = sorted(
        item.type.rsplit(":", 1)[1] for item in declared.resources if item.type.startswith("skywright:local:")
    )
    assert kinds == sorted(HOMES)
    modules = sorted(item.inputs["module"] for item in declared.of("local:Service").values())
    assert modules == [f"ml_jobs.local.{name}" for name in ("ledger", "monitor", "registry", "router", "scheduler")]
    names = [item.name for item in declared.resources]
    assert len(names) == len(set(names))


@graph("local")
def test_the_export_is_a_whole_stack_contract_without_secrets(declared: Graph) -> None:
    contract = StackContract.read(declared.contract)
    assert contract.cloud == "local"
    assert {pool.is_spot for pool in contract.pools} == {True, False}
    assert contract.identities.training.endswith("trainer.token")
    assert contract.endpoints["predict"].url.startswith("http://127.0.0.1")
    assert "eyJ" not in json.dumps(declared.contract)  # no token, only where it lies


def test_a_release_has_a_server_of_its_own_and_all_weights_are_set_at_once() -> None:
    releases = {"v1": released(1, 90), "v2": released(2, 10, "cd" * 32)}
    declared = declare(settings(endpoint={"releases": releases}))
    servers = declared.of("ReleaseServer")
    assert sorted(server.inputs["config"]["name"] for server in servers.values()) == [
        "server-v1-abababab",
        "server-v2-cdcdcdcd",
    ]
    (routes,) = declared.of("Routes").values()
    assert {name: route["weight_percent"] for name, route in routes.inputs["routes"]["releases"].items()} == {
        "v1": 90,
        "v2": 10,
    }


def test_a_change_of_weights_changes_no_server() -> None:
    def servers(first: float) -> dict[str, object]:
        releases = {"v1": released(1, first), "v2": released(2, 100 - first, "cd" * 32)}
        found = declare(settings(endpoint={"releases": releases})).of("ReleaseServer")
        return {name: server.inputs for name, server in found.items()}

    assert servers(90) == servers(10)


def test_production_releases_need_approval_even_where_the_endpoint_waives_it() -> None:
    endpoint = {"requires_approval": False, "releases": {"v1": released(1, 100)}}
    needed = {
        environment: [
            server.inputs["requires_approval"]
            for server in declare(settings(endpoint=endpoint, environment=environment)).of("ReleaseServer").values()
        ]
        for environment in ("dev", "prod")
    }
    assert needed == {"dev": [False], "prod": [True]}


def test_a_webhook_token_reaches_the_monitor_as_a_file_only() -> None:
    declared = declare(settings(), secrets={"webhookToken": "canary"})
    (monitor,) = (item for item in declared.of("local:Service").values() if item.inputs["module"].endswith("monitor"))
    assert monitor.inputs["config"]["settings"]["webhook_token_file"].endswith("/secrets/webhook-token")
    assert "canary" not in json.dumps(monitor.inputs)
    assert "canary" not in json.dumps(declared.contract)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"network": {"is_api_public": True}}, "127.0.0.1 only"),
        ({"training": {"runtime": "kubernetes"}}, "its own scheduler only"),
        ({"training": {"pools": {"gpu": {"accelerator": {"kind": "T4"}}}}}, "CPU ranks"),
        ({"endpoint": {"min_replicas": 2, "max_replicas": 2}}, "one server per release"),
    ],
)
def test_what_the_local_stack_cant_do_is_refused_with_a_remedy(sections: dict[str, object], words: str) -> None:
    with pytest.raises(components.Unsupported, match=words) as refused:
        declare(settings(**sections))
    assert refused.value.remedy


def test_a_cloud_that_has_no_components_says_so_in_one_line() -> None:
    with pytest.raises(UserError, match=r"cloud is 'nimbus'.*available: .*local") as refused:
        components_of("nimbus")
    assert "\n" not in str(refused.value)


def test_local_exports_the_eight_classes_with_the_promised_outputs() -> None:
    package = components_of("local")
    for base in components.KINDS:
        exported = getattr(package, base.__name__)
        assert issubclass(exported, base) and exported.cloud == "local"
        promised = get_args(base.__orig_bases__[0])[1]  # type: ignore[attr-defined]
        returned = inspect.signature(exported.build, eval_str=True).return_annotation
        assert issubclass(returned, promised)


@pytest.mark.parametrize(
    ("market", "seconds"),
    [
        (AlwaysMarket(), None),
        (ModelMarket(kind="model", mean_up_s=90, mean_down_s=5), 90),
        (TraceMarket(kind="trace", available="1101", gap_s=10), 15),
        (TraceMarket(kind="trace", available="1111", gap_s=10), None),
    ],
)
def test_the_mean_time_between_preemptions_follows_from_the_market(market: AlwaysMarket, seconds: float | None) -> None:
    assert mean_up_s(market) == seconds
