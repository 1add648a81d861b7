"""The types of resources that the platform's components declare, in whatever stack: read off their source."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import components


def declared_types() -> frozenset[str]:
    """Tokens such as aws:s3/bucket:Bucket: of each class of a provider's SDK that a component calls."""
    (folder,) = map(Path, components.__path__)
    found = set()
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder.parent).with_suffix("")
        module = importlib.import_module(".".join(place.parts).removesuffix(".__init__"))
        for chain in _called(ast.parse(path.read_text())):
            token = getattr(_resolved(module, chain), "pulumi_type", None)
            if isinstance(token, str):
                found.add(token)
    return frozenset(found)


def _called(tree: ast.AST) -> Iterator[list[str]]:
    """`aws.s3.Bucket(...)` as its names. A class may be handed on as well as called."""
    for node in ast.walk(tree):
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        if names and isinstance(node, ast.Name):
            yield [node.id, *names]


def _resolved(module: ModuleType, chain: list[str]) -> object:
    value: object = module
    for name in chain:
        value = getattr(value, name, None)
    return value
