"""Every declared type has a form of its ids, or a line that says where a person finds them (tier: graph).

The forms are the providers': of Google Cloud and AWS the SDK's classes carry them in their docstrings, of Azure the
management libraries hold the paths of all requests.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.import_ids import form_of, import_id, told
from catalog.import_ids.aws import AWS
from catalog.import_ids.azure import AZURE
from catalog.import_ids.forms import names_of
from catalog.import_ids.gcp import GCP
from infra.settings import Settings, from_file
from tests.graph.harness import STACKS, Declared, declare

EXAMPLES = [f"{cloud}-{kind}" for cloud in ("aws", "gcp", "azure") for kind in ("dev", "cluster")]
RELEASE = {
    "model": "digits", "version": 1, "artifact_sha256": "ab" * 32, "image_digest": f"sha256:{'1d' * 32}",
    "weight_percent": 100,
}  # fmt: skip
URLS = {
    "aws": "s3://b/model.tar.gz",
    "gcp": "gs://b/model",
    "azure": "abfss://artifacts@account.dfs.core.windows.net/model",
}
FACTS = {"subscription"}
UNDOCUMENTED = {
    "gcp:bigquery/datasetIamMember:DatasetIamMember", "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    "gcp:projects/iAMCustomRole:IAMCustomRole", "gcp:projects/iAMMember:IAMMember",
    "gcp:serviceaccount/account:Account", "gcp:serviceaccount/iAMMember:IAMMember", "gcp:storage/bucket:Bucket",
}  # fmt: skip
"""Their docstrings have no form in this version of the SDK; the Registry's pages have."""


def settings_of(stack: str) -> Settings:
    """The example, with a release and what its settings can add."""
    read = from_file(STACKS / f"Pulumi.{stack}.yaml")
    more: dict[str, Any] = {"releases": {"v1": {**RELEASE, "artifact_url": URLS[read.cloud]}}}
    if read.endpoint.runtime != "kubernetes":
        more["capture_percent"] = 100.0
    endpoint = type(read.endpoint).model_validate({**read.endpoint.model_dump(), **more})
    own = {"gcp": read.gcp.model_copy(update={"tensorboard": True})} if read.cloud == "gcp" else {}
    return read.model_copy(update={"endpoint": endpoint, **own})


@functools.cache
def declared(stack: str) -> tuple[Declared, ...]:
    kept = declare(settings_of(stack)).resources
    return tuple(item for item in kept if not item.type.startswith(("skywright:", "pulumi:providers:")))


@pytest.mark.parametrize("stack", EXAMPLES)
def test_every_declared_id_is_made_of_names_that_the_program_gives_or_has_a_line_for_a_person(stack: str) -> None:
    for item in declared(stack):
        form = form_of(item.type)
        assert form is not None, f"{item.type}: write its form into catalog/import_ids"
        absent = [name for name in names_of(form.id) if name not in FACTS and name.split(".")[0] not in item.inputs]
        assert form.look_up or form.by_up or (form.id and not absent), (item.type, item.name, absent)
        answer = told(item.type, item.inputs, {"subscription": "s"})
        assert answer.id or answer.note, item.type


@pytest.mark.parametrize("stack", ["gcp-dev", "azure-dev"])
def test_no_two_resources_of_a_type_have_one_id(stack: str) -> None:
    seen: dict[tuple[str, str], str] = {}
    for item in declared(stack):
        if (id := import_id(item.type, item.inputs, {"subscription": "s"})) is not None:
            assert seen.setdefault((item.type, id), item.name) == item.name, (item.type, id)


PLACES = {"project": "project", "project_id": "project", "location": "place", "region": "place"}


def _skeleton(form: str) -> str:
    """Places by their names, whatever else is filled in alike."""
    return re.sub(r"\{+([^{}]+)\}+", lambda found: f"{{{PLACES.get(found[1], '')}}}", form)


def _template(token: str) -> str:
    form = form_of(token)
    assert form is not None
    return form.id


@functools.cache
def _page(token: str) -> str:
    """What the SDK's class says of itself, the section Import at its end."""
    found = re.fullmatch(r"(\w+):(\w+)/\w+:(\w+)", token)
    assert found is not None
    package, module, kind = found.groups()
    cls = getattr(importlib.import_module(f"pulumi_{package}.{LOCAL.get(module, module)}"), kind)
    source = Path(inspect.getfile(cls)).read_text()
    start = source.find(f"class {kind}(pulumi.CustomResource)")
    return source[start : source.find(":param str resource_name", start)]


LOCAL = {"lambda": "lambda_"}
"""Modules that Python can't have by their names."""


@pytest.mark.parametrize("token", sorted(token for token in GCP if _template(token)))
def test_forms_of_google_cloud_are_those_of_the_providers_pages(token: str) -> None:
    own = _skeleton(re.sub(r"\[.*\]", "", _template(token)))
    listed = {_skeleton(found) for found in re.findall(r"\* `?([^\s`]*\{\{[^`\n]+?)`?\n", _page(token))}
    if token.endswith("Member"):
        listed = {f"{on} {{}} {{}}" for on in listed}
    if token == "gcp:monitoring/metricDescriptor:MetricDescriptor":
        own = "{}"  # by its name, which is this whole path
    assert (own in listed) != (token in UNDOCUMENTED), (own, listed)


@pytest.mark.parametrize("token", sorted(token for token in AWS if _template(token)))
def test_forms_of_aws_fit_the_examples_of_the_providers_pages(token: str) -> None:
    examples = re.findall(rf"\$ pulumi import {re.escape(token)} \S+ [\"']?([^\s\"']+)", _page(token))
    parts = re.split(r"(\{\w*\})", _skeleton(_template(token)))
    pattern = "".join(r"\S+?" if part.startswith("{") else re.escape(part) for part in parts)
    assert any(re.fullmatch(pattern, example) for example in examples), (_template(token), examples)


@pytest.mark.parametrize("token", sorted(AZURE))
def test_forms_of_azure_are_paths_of_its_requests(token: str) -> None:
    assert _path(_template(token)) in _paths()


def _path(form: str) -> str:
    """Names and the one that is always `default` alike; Azure tells no cases apart."""
    return _skeleton(form).lower().replace("/default", "/{}").strip("/")


@functools.cache
def _paths() -> frozenset[str]:
    return frozenset(_path(url) for url in _urls())


def _urls() -> Iterator[str]:
    for package, below in (("azure.mgmt", "*/**/operations"), ("azure.ai.ml", "_restclient/arm_ml_service/operations")):
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.submodule_search_locations
        for home in spec.submodule_search_locations:
            for file in Path(home).glob(f"{below}/*.py"):
                yield from re.findall(r'"(/(?:subscriptions/|\{scope\}|\{resourceUri\})[^"\s]*)"', file.read_text())
