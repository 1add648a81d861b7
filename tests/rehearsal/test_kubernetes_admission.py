"""What webhooks would refuse, refused by the real API server, and what no schema knows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.rehearsal.kubernetes import admission, client, lookups, serve
from infra.rehearsal.kubernetes.api import Api, Refused

RULES: dict[str, dict[str, Any]] = yaml.safe_load(admission.RULES.read_text())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("cluster")
    with serve.cluster(folder) as running:
        yield Api(client.connect(running))


@pytest.mark.parametrize("kind", RULES)
def test_what_a_webhook_would_take_is_taken(api: Api, kind: str) -> None:
    api.probe(RULES[kind]["good"])


@pytest.mark.parametrize("kind", RULES)
def test_no_rule_stumbles_over_what_may_be_left_out(api: Api, kind: str) -> None:
    for change in ({"spec": None}, {"metadata": {"annotations": None}}):
        try:
            api.probe(merged(RULES[kind]["good"], change))
        except Refused as refused:
            assert "resulted in error" not in str(refused)


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, number) for kind, entry in RULES.items() for number in range(len(entry["rules"]))]
)
def test_every_rule_refuses_what_breaks_it_with_its_own_words(api: Api, kind: str, number: int) -> None:
    rule = RULES[kind]["rules"][number]
    with pytest.raises(Refused) as refused:
        api.probe(merged(RULES[kind]["good"], rule["bad"]))
    assert rule["message"] in str(refused.value)
    assert not refused.value.is_about_immutables


def merged(good: Any, change: Any) -> Any:
    """A JSON merge patch."""
    if not isinstance(change, dict):
        return change
    result = copy.deepcopy(good) if isinstance(good, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@pytest.mark.parametrize(
    ("expression", "is_good"),
    [
        ("sum by (release) (rate(requests_total[5m])) > 0.5", True),
        ("histogram_quantile(0.99, sum(rate(latency_bucket[5m])) by (le))", True),
        ("sum by (release (rate(requests_total[5m]))", False),
        ("rate(requests_total)", False),
        ("", False),
    ],
)
def test_promql_is_read_by_a_parser_of_it(expression: str, is_good: bool) -> None:
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "alerts", "namespace": "default"},
        "spec": {"groups": [{"name": "all", "rules": [{"alert": "Slow", "expr": expression}]}]},
    }
    refused = list(lookups.refusals(rule))
    assert not refused if is_good else "expr of 'Slow' is" in refused[0]


def test_what_refers_to_nothing_is_refused_and_what_comes_a_moment_later_is_not(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.setattr(lookups, "PATIENCE_S", 0.5)
    queue = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "LocalQueue",
        "metadata": {"name": "team", "namespace": "default"},
        "spec": {"clusterQueue": "later"},
    }
    with pytest.raises(Refused, match="LocalQueue default/team refers to ClusterQueue later, which does not exist"):
        asyncio.run(lookups.need(api, queue))
    monkeypatch.setattr(lookups, "PATIENCE_S", 10.0)
    target = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "ClusterQueue",
        "metadata": {"name": "later"},
        "spec": {"namespaceSelector": {}},
    }

    async def both() -> None:
        waiting = asyncio.create_task(lookups.need(api, queue))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await asyncio.to_thread(api.apply, target, lookups.Ref("kueue.x-k8s.io/v1beta1", "ClusterQueue", "", "later"))
        await waiting

    asyncio.run(both())
