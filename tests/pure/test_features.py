"""The table of features: each cloud has a word on each, a no has a way round it, and a refusal says both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from catalog.errors import UserError
from components import contract, features
from components.contract import Unsupported
from components.features import BY_KEY, FEATURES, ON_CLUSTER, support_of
from components.specs import (
    BudgetSpec,
    EndpointSpec,
    MonitoringSpec,
    NetworkSpec,
    TrainingSpec,
)  # fmt: skip
from infra import support
from infra.cli import clouds as command
from infra.cli import main
from infra.program import CLOUDS, context_of
from infra.settings import load
from ml_jobs.contract import Metric

README = Path(__file__).resolve().parents[2] / "README.md"
RELEASE = {"model": "m", "version": 1, "artifact_url": "s3://a/b", "artifact_sha256": "a" * 64}
REGION = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}

ASKS: dict[str, Any] = {
    "network.nat_per_zone": NetworkSpec(nat="per_zone"),
    "network.no_nat": NetworkSpec(nat="none"),
    "network.public_api": NetworkSpec(is_api_public=True),
    "training.managed": TrainingSpec(runtime="managed"),
    "training.kubernetes": TrainingSpec(runtime="kubernetes"),
    "training.accelerators": TrainingSpec.model_validate({"pools": {"g": {"accelerator": {"kind": "T4"}}}}),
    "training.cpu_classes": TrainingSpec.model_validate({"pools": {"c": {"cpu_class": "memory"}}}),
    "training.teams": TrainingSpec.model_validate({"teams": {"a": {}}}),
    "endpoint.managed": EndpointSpec(runtime="managed"),
    "endpoint.kubernetes": EndpointSpec(runtime="kubernetes"),
    "endpoint.weights": EndpointSpec.model_validate(
        {"releases": {"a": {**RELEASE, "weight_percent": 60}, "b": {**RELEASE, "weight_percent": 40}}}
    ),
    "endpoint.sticky": EndpointSpec.model_validate({"routing": {"mode": "sticky"}}),
    "endpoint.shadow": EndpointSpec.model_validate(
        {"releases": {"a": {**RELEASE, "weight_percent": 100}, "b": {**RELEASE, "shadow_percent": 5}}}
    ),
    "endpoint.replicas": EndpointSpec(max_replicas=2),
    "endpoint.scale_to_zero": EndpointSpec(min_replicas=0),
    "endpoint.accelerators": EndpointSpec.model_validate({"accelerator": {"kind": "T4"}}),
    "endpoint.spot": EndpointSpec(is_spot=True),
    "endpoint.capture": EndpointSpec(capture_percent=1),
    "monitoring.slo": MonitoringSpec.model_validate({"alerts": [], "slos": [{"name": "s", "objective": 0.99}]}),
    "monitoring.emails": MonitoringSpec(alerts=(), emails=("a@example.com",)),
    "monitoring.webhook": MonitoringSpec(alerts=(), webhook_url="https://example.com"),
    **{f"monitoring.{metric.value}": MonitoringSpec.model_validate(
        {"alerts": [{"name": "x", "metric": metric.value, "threshold": 1}]}) for metric in Metric},
    **{f"budget.{effect}": BudgetSpec.model_validate({"steps": [{"percent": 1, "effect": effect}]})
       for effect in ("notify", "block_new", "stop_spot", "scale_to_zero")},
}  # fmt: skip
"""For each feature that can be asked for, a spec that asks for it and for nothing else."""

PLAIN = {
    "Network": NetworkSpec(), "TrainingCluster": TrainingSpec(), "ModelEndpoint": EndpointSpec(),
    "Monitoring": MonitoringSpec(alerts=()), "BudgetAlarm": BudgetSpec(steps=()),
}  # fmt: skip
"""Specs that ask for nothing."""


def context(cloud: str) -> contract.Context:
    place = {"skywright:cloud": cloud, **({"skywright:region": REGION[cloud]} if cloud in REGION else {})}
    return context_of(load(place, stack="x"))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_cloud_has_a_word_on_every_feature_and_on_nothing_else(cloud: str) -> None:
    table = support_of(cloud)
    assert set(table) == set(BY_KEY)
    for key, word in table.items():
        assert word.note and not word.note.endswith(".") and "\n" not in word.note, key
        assert bool(word.remedy) != word.is_supported, key
        if word.remedy:
            assert word.remedy[0].isupper() and word.remedy.endswith("."), key


def test_the_words_of_features_are_told_apart() -> None:
    assert len(BY_KEY) == len(FEATURES) == len({item.title for item in FEATURES})
    kinds = {kind.__name__ for kind in contract.KINDS}
    assert {item.kind for item in FEATURES} <= kinds and set(ON_CLUSTER) <= kinds
    assert {f"monitoring.{metric.value}" for metric in Metric} <= set(BY_KEY)


def test_the_table_of_asks_is_whole() -> None:
    assert set(ASKS) == {item.key for item in FEATURES if item.asks}


@pytest.mark.parametrize("key", ASKS)
def test_a_feature_is_asked_for_by_its_spec_and_by_no_plain_one(key: str) -> None:
    asks = BY_KEY[key].asks
    assert asks is not None
    said = asks(ASKS[key], context("local"))
    assert said and said.startswith(f"skywright:{key.split('.')[0]}.") and re.search(r" (is|has) ", said)
    assert asks(PLAIN[BY_KEY[key].kind], context("local")) is None


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("key", ASKS)
def test_what_a_cloud_can_not_do_is_refused_with_its_reason_and_the_way_round(cloud: str, key: str) -> None:
    """By the contract's own base class, so that every cloud's component refuses alike."""

    class Asked(contract.Component[Any, Any]):
        pass

    Asked.cloud, Asked.kind = cloud, BY_KEY[key].kind
    word, spec = support_of(cloud)[key], ASKS[key]
    if word.is_supported:
        Asked.verify(spec, context(cloud))
        return
    with pytest.raises(Unsupported) as refused:
        Asked.verify(spec, context(cloud))
    assert word.note in refused.value.reason and refused.value.remedy == word.remedy
    assert str(refused.value).startswith("skywright:") and "\n" not in str(refused.value)


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
@given(key=st.sampled_from([key for key in ASKS if BY_KEY[key].kind in ON_CLUSTER]))
def test_on_a_cluster_the_word_of_kubernetes_counts(cloud: str, key: str) -> None:
    if key.endswith((".managed", ".kubernetes")):
        return
    spec = ASKS[key].model_copy(update={"runtime": "kubernetes"})
    found = list(features.refusals(cloud, BY_KEY[key].kind, spec, context(cloud)))
    assert bool(found) != support_of("kubernetes")[key].is_supported


# --- `skywright clouds`


def skywright(*args: str) -> tuple[int, str]:
    app = typer.Typer()
    app.add_typer(command.app, name="clouds")
    result = CliRunner().invoke(app, ["clouds", *args])
    if isinstance(result.exception, UserError):
        return result.exception.exit_code, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_matrix_has_each_feature_once_and_each_cloud() -> None:
    assert main.GROUPS["clouds"] == "clouds"
    rows = json.loads(skywright("--json")[1])
    assert [row["feature"] for row in rows] == [item.key for item in FEATURES]
    by_key = {row["feature"]: row for row in rows}
    assert by_key["endpoint.sticky"] | {"title": "", "feature": ""} == {
        "feature": "", "title": "", "aws": "cluster", "gcp": "cluster", "azure": "cluster", "kubernetes": "yes",
        "local": "yes",
    }  # fmt: skip
    assert by_key["training.managed"]["kubernetes"] == "no" and by_key["endpoint.spot"]["local"] == "no"
    assert by_key["storage.managed_key"]["local"] == "none"


@pytest.mark.parametrize("cloud", CLOUDS)
def test_one_cloud_is_told_with_the_way_round_each_no(cloud: str) -> None:
    rows = json.loads(skywright("--cloud", cloud, "--json")[1])
    assert {row["feature"]: (row["note"], row["remedy"]) for row in rows} == {
        key: (word.note, word.remedy) for key, word in support_of(cloud).items()
    }
    assert all(row["remedy"] for row in rows if row["support"] in ("no", "cluster"))
    assert skywright("--cloud", cloud)[0] == 0


def test_the_readme_holds_the_matrix_as_the_tables_have_it() -> None:
    """Anew: skywright clouds --markdown, between the two comments."""
    text = README.read_text()
    assert text.count(support.BEGIN) == text.count(support.END) == 1
    held = text.split(support.BEGIN)[1].split(support.END)[0].strip()
    assert held == support.as_markdown() == skywright("--markdown")[1].strip()


def test_accelerators_come_with_types_sizes_and_prices() -> None:
    rows = json.loads(skywright("accelerators", "--cloud", "aws", "--region", "us-east-1", "--json")[1])
    found = next(row for row in rows if (row["instance"], row["runtime"]) == ("ml.g5.xlarge", "managed"))
    assert (found["accelerator"], found["count"], found["vcpus"], found["memory_gib"]) == ("A10G", 1, 4, 16)
    assert found["on_demand_usd"] > 0
    only = json.loads(skywright("accelerators", "--runtime", "kubernetes", "--json")[1])
    assert {row["cloud"] for row in only} == {"aws", "gcp", "azure"} and {row["runtime"] for row in only} == {
        "kubernetes"
    }
    assert not any(row["instance"].startswith("ml.") for row in only)
    plain = next(row for row in only if row["instance"] == "g5.xlarge")
    assert found["on_demand_usd"] > plain["on_demand_usd"] > plain["spot_usd"] > 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--cloud", "awz"], "cloud is 'awz'; allowed: aws, gcp, azure, kubernetes, local. Did you mean aws?"),
        (["accelerators", "--cloud", "local"], "whose machines are brought; allowed: aws, gcp, azure"),
        (["accelerators", "--cloud", "aws", "--region", "us-esat-1"], "Did you mean us-east-1?"),
        (["accelerators", "--region", "nowhere"], "which aws and gcp and azure don't have; allowed: us-east-1"),
    ],
)
def test_a_wrong_cloud_or_region_is_one_line(args: list[str], said: str) -> None:
    code, line = skywright(*args)
    assert code == 78 and said in line and "\n" not in line


def test_the_runtimes_are_those_of_the_specs() -> None:
    runtimes = get_args(get_args(TrainingSpec.model_fields["runtime"].annotation)[0])
    assert {item.value for item in command.RuntimeName} == set(runtimes) == set(support.RUNTIMES)
