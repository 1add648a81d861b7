"""Every cloud's folder is held to the one contract: the same files, classes, inputs and outputs."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import get_args

import pytest

from components import contract
from components.exports import HOMES
from components.specs import Spec
from infra.program import CLOUDS, SECTIONS, components_of
from infra.settings import Settings

COMPONENTS = Path(contract.__file__).parent
SHARED = {"__init__.py", "settings.py", "support.py", *(f"{name}.py" for name in HOMES.values())}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_clouds_folder_has_the_files_of_every_cloud(cloud: str) -> None:
    there = {path.name for path in (COMPONENTS / cloud).glob("*.py")}
    assert there >= SHARED
    assert not {"utils.py", "helpers.py", "common.py", "misc.py"} & there


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("base", contract.KINDS, ids=lambda base: base.__name__)
def test_a_class_builds_from_its_spec_and_gives_back_what_is_promised(cloud: str, base: type) -> None:
    exported = getattr(components_of(cloud), base.__name__)
    assert issubclass(exported, base) and exported.cloud == cloud and exported.kind == base.__name__
    assert exported.__module__ == f"components.{cloud}.{HOMES[base.__name__]}"
    assert exported.__doc__ and exported.__doc__ != base.__doc__
    spec, promised = get_args(base.__orig_bases__[0])  # type: ignore[attr-defined]
    signature = inspect.signature(exported.build, eval_str=True)
    given = list(signature.parameters.values())[1]
    assert given.annotation is spec and Settings.model_fields[SECTIONS[base.__name__]].annotation is spec
    assert issubclass(signature.return_annotation, promised)
    assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_clouds_own_settings_are_a_frozen_spec_with_safe_defaults(cloud: str) -> None:
    kind = getattr(importlib.import_module(f"components.{cloud}.settings"), f"{cloud.capitalize()}Settings")
    assert issubclass(kind, Spec) and kind() == kind.model_validate({})
    assert Settings.model_fields[cloud].annotation is kind


@pytest.mark.parametrize("cloud", CLOUDS)
def test_dynamic_providers_stay_where_stacks_remember_them(cloud: str) -> None:
    """The engine keeps a provider's class by module and name: a move breaks `destroy` of every stack that has it."""
    found = [
        (path.name, node.name)
        for path in (COMPONENTS / cloud).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).endswith("Provider") for base in node.bases)
        and not node.name.startswith("_")
    ]
    assert {file for file, _ in found} <= {"providers.py"}
    assert {name for _, name in found} == PROVIDERS.get(cloud, set())


PROVIDERS = {
    "local": {
        "FolderProvider", "HostProvider", "KeysProvider", "ReleaseProvider", "RoutesProvider", "SecretFileProvider",
        "ServiceProvider",
    },
    "gcp": {"VertexDeploymentsProvider"},
    "azure": {"EndpointTrafficProvider"},
}  # fmt: skip
