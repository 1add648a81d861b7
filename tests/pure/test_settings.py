"""A stack's settings: what parses, what every mistake says, and that swapping the cloud is two lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from catalog.accelerators import ACCELERATORS, on_cloud
from catalog.errors import UserError
from catalog.regions import REGIONS
from components.features import refusals
from infra.program import SECTIONS as SECTIONS_OF
from infra.program import context_of
from infra.settings import InvalidSettings, Settings, from_file, load

STACKS = Path(__file__).parents[2] / "stacks"
EXAMPLES = (
    "local", "aws-dev", "aws-prod", "aws-cluster", "gcp-dev", "gcp-prod", "azure-dev", "azure-prod", "kubernetes-dev",
    "kubernetes-prod",
)  # fmt: skip
REGION: dict[str, str | None] = {
    "aws": "us-east-1", "gcp": "us-central1", "azure": "eastus", "kubernetes": None, "local": None,
}  # fmt: skip


def raw(**values: Any) -> dict[str, str]:
    """Config as the engine hands it over: texts as they are, all else as JSON."""
    return {
        f"skywright:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
        if value is not None
    }


def lines(**values: Any) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        load(raw(**values), stack="x")
    assert caught.value.exit_code == 78
    return caught.value.lines


@pytest.mark.parametrize("cloud", REGION)
def test_the_smallest_stack_is_a_cloud_and_a_region(cloud: str) -> None:
    loaded = load(raw(cloud=cloud, region=REGION[cloud]), stack="small")
    assert (loaded.cloud, loaded.region, loaded.environment, loaded.stack) == (cloud, REGION[cloud], "dev", "small")
    assert type(loaded.own).__name__ == f"{cloud.capitalize()}Settings"
    assert set(loaded.training.pools) == {"spot", "on-demand"}
    with pytest.raises(ValidationError):
        loaded.environment = "prod"  # type: ignore[misc]


@pytest.mark.parametrize("stack", EXAMPLES)
def test_examples_parse(stack: str) -> None:
    loaded = from_file(STACKS / f"Pulumi.{stack}.yaml")
    assert loaded.stack == stack and loaded.cloud == stack.split("-")[0]
    assert loaded.is_production == stack.endswith(("prod", "cluster"))
    assert loaded.all_tags()["owner"] and loaded.all_tags()["cost_center"]
    assert not loaded.endpoint.releases
    assert all(getattr(loaded, cloud) == type(getattr(loaded, cloud))() for cloud in REGION if cloud != loaded.cloud)


def test_all_examples_are_known_here() -> None:
    """Stacks that `skywright init` wrote beside them belong to whoever wrote them."""
    assert {path.name for path in STACKS.glob("*.yaml")} >= {f"Pulumi.{stack}.yaml" for stack in EXAMPLES}


@pytest.mark.parametrize("stack", [stack for stack in EXAMPLES if not stack.endswith(("dev", "local"))])
def test_production_is_what_a_careful_team_would_have(stack: str) -> None:
    loaded = from_file(STACKS / f"Pulumi.{stack}.yaml")
    watch, steps = loaded.monitoring, [step.effect.value for step in loaded.budget.steps]
    assert loaded.identity.requires_second_person and loaded.storage.retain_data and loaded.endpoint.min_replicas >= 2
    assert loaded.cloud == "kubernetes" or loaded.network.zones == 3
    assert (
        watch.emails
        and watch.slos
        and {"error_ratio", "latency", "spend_ratio"} <= {alert.metric.value for alert in watch.alerts}
    )
    assert steps[0] == "notify" and "stop_spot" in steps and "scale_to_zero" not in steps


SWAPPED = """\
config:
  skywright:cloud: {cloud}
{region}  skywright:owner: ml
  skywright:network: {{cidr: 10.9.0.0/16, zones: 2}}
  skywright:identity: {{requires_second_person: true}}
  skywright:storage: {{retain_data: false, keep_checkpoints_days: 7}}
  skywright:training:
    pools:
      spot: {{ranks: 4, is_spot: true, max_count: 3}}
      on-demand: {{ranks: 4}}
  skywright:registry: {{keep_images: 9}}
  skywright:endpoint: {{name: predict, max_replicas: 3}}
  skywright:monitoring:
    alerts: [{{name: slow, metric: latency, threshold: 1, aggregation: p99}}]
  skywright:budget:
    steps: [{{percent: 80, effect: block_new}}, {{percent: 100, effect: scale_to_zero}}]
"""


def test_one_file_serves_five_clouds_by_two_lines(tmp_path: Path) -> None:
    """Loaded, and by the clouds' own words refused nowhere: nothing of it is unused."""
    trees, texts = [], []
    for cloud, region in REGION.items():
        path = tmp_path / "Pulumi.swapped.yaml"
        path.write_text(SWAPPED.format(cloud=cloud, region=f"  skywright:region: {region}\n" if region else ""))
        loaded = from_file(path)
        ctx = context_of(loaded)
        for kind, section in SECTIONS_OF.items():
            assert not list(refusals(cloud, kind, getattr(loaded, section), ctx)), (cloud, kind)
        trees.append(loaded.model_dump(mode="json", exclude={"cloud", "region"}))
        texts.append(set(path.read_text().splitlines()))
    assert all(tree == trees[0] for tree in trees)
    assert all(line.split(":")[1] in ("cloud", "region") for text in texts for line in text ^ texts[0])


def test_the_local_example_has_two_spot_slots_and_one_on_demand() -> None:
    pools = from_file(STACKS / "Pulumi.local.yaml").training.pools
    assert {name: (pool.is_spot, pool.max_count, pool.ranks) for name, pool in pools.items()} == {
        "spot": (True, 2, 2), "on-demand": (False, 1, 2),
    }  # fmt: skip


NEUTRAL: dict[str, Any] = {
    "environment": "prod", "owner": "a", "cost_center": "b", "tags": {"team": "x"}, "backend": "s3://b",
    "usage": {"predict": {"monthly_requests": 5}}, "review": {"max_monthly_usd": 9, "max_increase_percent": 5},
    "network": {"cidr": "10.1.0.0/16", "zones": 3, "nat": "per_zone", "is_api_public": True},
    "identity": {"requires_second_person": True},
    "storage": {"retain_data": False, "keep_checkpoints_days": 2, "noncurrent_days": 3},
    "training": {"runtime": "kubernetes", "spot_fallback_s": 7,
                 "pools": {"gpu": {"accelerator": {"kind": "A100-80", "count": 8}, "is_spot": True, "max_count": 3}}},
    "registry": {"keep_images": 9, "untagged_days": 4},
    "endpoint": {"name": "e", "min_replicas": 2, "max_replicas": 3, "routing": {"mode": "sticky", "key_header": "x-k"},
                 "releases": {"one": {"model": "m", "version": 1, "artifact_url": "s3://a", "artifact_sha256": "a" * 64,
                                      "weight_percent": 100}}},
    "monitoring": {"log_retention_days": 5, "webhook_url": "https://x", "alerts": []},
    "budget": {"monthly_limit_usd": 7, "steps": [{"percent": 10, "effect": "block_new"}]},
}  # fmt: skip
SECTIONS: dict[str, Any] = {
    "aws": {"account_id": "123456789012"}, "gcp": {"project": "my-project"}, "azure": {"resource_group": "rg"},
    "kubernetes": {"namespace": "ml"}, "local": {"root": "/tmp/x"},
}  # fmt: skip


def test_every_neutral_key_maps_onto_every_cloud() -> None:
    """Swapping is `cloud` and `region`; the sections of other clouds may stay."""
    known = {key for key in Settings.model_fields if key not in {"stack", "cloud", "region", "ttl_hours", *SECTIONS}}
    assert set(NEUTRAL) == known
    trees = []
    for cloud, region in REGION.items():
        loaded = load(raw(cloud=cloud, region=region, **NEUTRAL, **SECTIONS), stack="x")
        assert loaded.own.model_dump()[next(iter(SECTIONS[cloud]))] == next(iter(SECTIONS[cloud].values()))
        trees.append(loaded.model_dump(mode="json", exclude={"cloud", "region"}))
    assert all(tree == trees[0] for tree in trees)
    assert trees[0]["training"]["pools"]["gpu"]["accelerator"] == {"kind": "A100-80", "count": 8}


RELEASE = {"model": "m", "version": 1, "artifact_url": "u", "artifact_sha256": "a" * 64}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({}, "skywright:cloud is missing; allowed: aws, gcp, azure, kubernetes, local. Add it, such as local."),
    ({"cloud": "awz"}, "skywright:cloud is 'awz'; allowed: aws, gcp, azure, kubernetes, local. Did you mean aws?"),
    ({"cloud": "google"}, "Did you mean gcp?"),
    ({"cloud": "aws"}, "skywright:region is missing; allowed: us-east-1, us-east-2"),
    ({"cloud": "gcp", "region": "us-east-1"}, "skywright:region is 'us-east-1'; allowed: us-central1"),
    ({"cloud": "gcp", "region": "us-east-1"}, "Did you mean us-east1?"),
    ({"cloud": "aws", "region": "us-esat-1"}, "Did you mean us-east-1?"),
    ({"cloud": "aws", "region": ""}, "Add it, such as us-east-1."),
    ({"cloud": "local", "region": "here"}, "is 'here'; allowed: nothing (a local stack has no region)"),
    ({"trainin": {}}, "skywright:trainin is not a known key; known here: aws, azure"),
    ({"trainin": {}}, "Did you mean training?"),
    ({"pools": {}}, "Write it below its section: skywright:training: {pools: ...}."),
    ({"environment": "production"}, "is 'production'; allowed: dev, staging, prod. Did you mean prod?"),
    ({"ttl_hours": "24h"}, "skywright:ttl_hours is '24h'; allowed: a number above 0 and at most 8760 (hours until"),
    ({"ttl_hours": 5, "environment": "prod"}, "skywright:ttl_hours is 5 in environment 'prod'; allowed: only in dev"),
    ({"tags": {"owner": "me"}}, "skywright:tags.owner is a tag that the platform sets itself. Set skywright:owner"),
    ({"tags": {"Team": "x"}}, "skywright:tags.Team has a name that is not allowed"),
    ({"tags": {"n": 1}}, "skywright:tags.n is 1; allowed: text of 0 to 63 characters. Put it in quotes: '1'."),
    ({"backend": "http://x"}, "skywright:backend is 'http://x'; allowed: text (URL of the state backend: file://"),
    ({"training": "big"}, "skywright:training is 'big'; allowed: a mapping with the keys pools, runtime"),
    ({"training": {"pools": {}}}, "skywright:training.pools is a mapping"),
    ({"training": {"pools": {"GPU": {}}}}, "skywright:training.pools.GPU has a name that is not allowed"),
    ({"training": {"pools": {"g": {"is_spott": True}}}},
     "skywright:training.pools.g.is_spott is not a known key; "
     "known here: accelerator, cpu_class, is_spot, max_count, ranks. "
     "Did you mean is_spot?"),
    ({"training": {"pools": {"g": {"max_count": "many"}}}},
     "skywright:training.pools.g.max_count is 'many'; allowed: a whole number from 1 to 1000 (instances at the most"),
    ({"training": {"pools": {"g": {"max_count": True}}}}, "pools.g.max_count is true; allowed: a whole"),
    ({"training": {"pools": {"g": {"max_count": 1.5}}}}, "skywright:training.pools.g.max_count is 1.5; allowed: a who"),
    ({"training": {"pools": {"g": {"accelerator": {}}}}}, "skywright:training.pools.g.accelerator.kind is missing"),
    ({"training": {"pools": {"g": {"accelerator": {"kind": "A10"}}}}},
     "skywright:training.pools.g.accelerator.kind is 'A10'; known on kubernetes: T4, L4, A10G, V100, A100-40"),
    ({"cloud": "aws", "region": "us-east-1", "training": {"pools": {"g": {"accelerator": {"kind": "a10"}}}}},
     "Did you mean A10G?"),
    ({"cloud": "azure", "region": "eastus", "training": {"pools": {"g": {"accelerator": {"kind": "A10G"}}}}},
     "A10G is offered on aws, kubernetes, local."),
    ({"training": {"pools": {"g": {"accelerator": {"kind": "none"}}}}}, "Leave `accelerator` out for a pool of CPUs."),
    ({"endpoint": {"min_replicas": 5}}, "skywright:endpoint: min_replicas (5) is above max_replicas (1)."),
    ({"endpoint": {"releases": {"a": {**RELEASE, "weight_percent": 50}}}},
     "skywright:endpoint.releases: weights must sum to 100; a 50 sum to 50."),
    ({"endpoint": {"releases": {"a": {**RELEASE, "artifact_sha256": "zz"}}}},
     "skywright:endpoint.releases.a.artifact_sha256 is 'zz'; allowed: text (64 hexadecimal digits)."),
    ({"monitoring": {"alerts": [{"name": "a", "metric": "latencyy", "threshold": 1}]}},
     "skywright:monitoring.alerts[0].metric is 'latencyy'; allowed: request_rate, error_ratio, latency"),
    ({"budget": {"monthly_limit_usd": "100 USD"}},
     "is '100 USD'; allowed: a number above 0 and at most 10000000. Write a plain number; the unit is in the key"),
    ({"budget": {"steps": [{"percent": 80, "effect": "notify"}, {"percent": 50, "effect": "notify"}]}},
     "skywright:budget.steps: steps must rise; given: 80, 50."),
    ({"network": {"zones": 9}}, "skywright:network.zones is 9; allowed: a whole number from 1 to 6."),
    ({"network": {"cidr": "10.0.0.0/33"}}, "skywright:network.cidr"),
    ({"local": {"spot_market": {"kind": "trac"}}},
     "skywright:local.spot_market.kind is 'trac'; allowed: always, model, trace. Did you mean trace?"),
    ({"local": {"spot_market": {"available": "1"}}}, "skywright:local.spot_market.kind is missing; allowed: always"),
    ({"local": {"spot_market": {"kind": "trace", "available": "1", "gap_s": -1}}},
     "skywright:local.spot_market.gap_s is -1; allowed: a number above 0 and at most 86400."),
    ({"local": {"ports": {"router": 70000}}}, "skywright:local.ports.router is 70000; allowed: a whole number from 0"),
    ({"local": {"ports": {"router": 80, "ledger": 80}}}, "two services can't share a port; given twice: 80"),
    ({"aws": {"account_id": 123456789012}}, "Put it in quotes: '123456789012'."),
    ({"usage": {"x": {"requests": "lots"}}}, "skywright:usage.x.requests is 'lots'; allowed: a number at least 0."),
    ({"webhookToken": "canary"}, "skywright:webhookToken stands in clear text; allowed: an encrypted value."),
]  # fmt: skip


@pytest.mark.parametrize(("values", "said"), MISTAKES)
def test_a_mistake_is_one_clear_line(values: dict[str, Any], said: str) -> None:
    found = lines(**({"cloud": "kubernetes"} | values if values else {}))
    assert any(said in line for line in found), found
    assert len(found) == 1, found
    assert found[0].startswith("stacks/Pulumi.x.yaml: skywright:") and "\n" not in found[0]
    assert "canary" not in found[0]


def test_all_mistakes_are_told_at_once() -> None:
    found = lines(cloud="gcp", region="nowhere", trainin={}, budget={"limit": 3}, network={"zones": "two", "nat": "x"})
    assert [line.split(" ")[1] for line in found] == [
        "skywright:trainin", "skywright:region", "skywright:network.nat", "skywright:network.zones",
        "skywright:budget.limit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "read"),
    [
        ({"ttl_hours": "72"}, lambda found: found.ttl_hours == 72),
        ({"budget": {"monthly_limit_usd": "99.5"}}, lambda found: found.budget.monthly_limit_usd == 99.5),
        ({"cost_center": "0042"}, lambda found: found.cost_center == "0042"),
        ({"owner": "true"}, lambda found: found.owner == "true"),
        ({"training": "", "region": "", "owner": ""}, lambda found: len(found.training.pools) == 2),
    ],
)
def test_values_as_the_engine_hands_them_over(values: dict[str, Any], read: Any) -> None:
    """`pulumi config set` stores numbers with a fraction as text; texts that look like numbers stay text."""
    assert read(load(raw(cloud="local", **values), stack="x"))


def test_other_namespaces_are_passed_over() -> None:
    assert load({**raw(cloud="local"), "aws:region": "eu-west-1"}, stack="x").cloud == "local"


@pytest.mark.parametrize("key", ["training", "cloud", "owner"])
def test_an_encrypted_value_outside_the_secret_keys_is_refused(key: str) -> None:
    config = {**raw(cloud="local"), f"skywright:{key}": '{"pools": "canary"}'}
    with pytest.raises(InvalidSettings) as caught:
        load(config, stack="x", secret_keys=[f"skywright:{key}"])
    assert f"skywright:{key} holds an encrypted value" in str(caught.value) and "webhookToken" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_files_with_secrets_are_read_without_an_engine(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.s.yaml"
    path.write_text("config:\n  cloud: local\n  skywright:webhookToken:\n    secure: v1:canary\n")
    assert from_file(path).stack == "s"
    path.write_text(
        "config:\n  skywright:cloud: local\n  skywright:monitoring:\n    webhook_url: {secure: v1:canary}\n"
    )
    with pytest.raises(InvalidSettings, match="skywright:monitoring holds an encrypted value"):
        from_file(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("config: [1]\n", "config is a list; allowed: a mapping"),
        ("config:\n  a: [\n", "not valid YAML"),
        ("config:\n  skywright:tags: {2024-01-01: x, 5: y}\n", "skywright:tags.2024-01-01 has a name"),
        ("config:\n  skywright:tags: !!binary aGk=\n  1: 2\n", "skywright:tags is"),
        ("config: !!python/object:os.system {}\n", "not valid YAML"),
        ("[]\n", "skywright:cloud is missing"),
        ("", "skywright:cloud is missing"),
        ("config:\n  skywright:cloud: local\n  skywright:budget: {monthly_limit_usd: .inf}\n", "holds Infinity"),
        ("config:\n  skywright:cloud: local\n  skywright:owner: 2024-01-01\n", "skywright:owner"),
    ],
)
def test_files_that_are_wrong_as_a_whole(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(text)
    if said == "skywright:owner":
        assert from_file(path).owner
        return
    with pytest.raises(UserError) as caught:
        from_file(path)
    assert said in str(caught.value) and "Traceback" not in str(caught.value)
    with pytest.raises(UserError, match="can't be read"):
        from_file(tmp_path / "Pulumi.none.yaml")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["pools", "gpu", "accelerator", "kind", "steps", "spot_market", "releases", "ports", "x"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*Settings.model_fields, "webhookToken", "x"]), JSON, max_size=4))
def test_nothing_crashes_the_check(values: dict[str, Any]) -> None:
    try:
        load({f"skywright:{key}": json.dumps(value) for key, value in values.items()}, stack="x")
    except InvalidSettings as error:
        assert error.lines and all("\n" not in line for line in error.lines)


def test_facts_about_clouds_are_whole() -> None:
    for cloud, regions in REGIONS.items():
        assert len(set(regions)) == len(regions) > 30, cloud
        assert "H100" in on_cloud(cloud)
    assert on_cloud("local") == list(ACCELERATORS)
