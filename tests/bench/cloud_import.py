"""Importing a cloud's eight components against importing only the classes of its SDK that they name.

Both sides touch the same classes, in an interpreter of their own; the floor knows them by name alone. Seconds are of
the CPU: an import waits for nothing, and what neighbours do to the clock says nothing about it.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

from rounds import SDKS, child, clouds, interleaved

from components.exports import HOMES

GOAL = 1.1

LOADED = """\
import importlib, json, sys
cloud, homes = sys.argv[1], json.loads(sys.argv[2])
for home in homes:
    importlib.import_module(f"components.{cloud}.{home}")
print(json.dumps([m.__file__ for name, m in sys.modules.items() if name.startswith("components.") and m.__file__]))
"""
"""Prints the files of ours that come with the eight."""

TIMED = """\
import json, sys, time
side, cloud, homes, names = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
from importlib import import_module
before = time.process_time()
import_module("pulumi")
if side == "ours":
    for home in homes:
        import_module(f"components.{cloud}.{home}")
for package, path in names:
    found = import_module(package)
    for part in path.split("."):
        found = getattr(found, part)
print(time.process_time() - before)
"""


def main() -> int:
    is_missed = False
    for cloud in clouds():
        names = named(cloud)
        measured = interleaved(lambda: seconds("floor", cloud, names), lambda: seconds("ours", cloud, names))  # noqa: B023
        print(measured.line(f"import {cloud}, {len(names)} classes", GOAL))
        is_missed |= measured.ratio > GOAL
    return 1 if is_missed else 0


def seconds(side: str, cloud: str, names: list[tuple[str, str]]) -> float:
    return float(child(TIMED, side, cloud, json.dumps(list(HOMES.values())), json.dumps(names)))


def named(cloud: str) -> list[tuple[str, str]]:
    """(package, path in it) of everything that our files name in a provider's SDK."""
    files = json.loads(child(LOADED, cloud, json.dumps(list(HOMES.values()))))
    return sorted({name for file in files for name in names_in(Path(file))})


def names_in(file: Path) -> set[tuple[str, str]]:
    """The longest dotted names: `aws.ec2.Vpc`, of which `aws.ec2` is a part, counts once."""
    tree = ast.parse(file.read_text())
    found: set[tuple[str, str]] = set()
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {item.asname or item.name: item.name for item in node.names if is_sdk(item.name)}
        elif isinstance(node, ast.ImportFrom) and node.module and is_sdk(node.module):
            found |= {(node.module, item.name) for item in node.names}
            aliases |= {item.asname or item.name: f"{node.module}.{item.name}" for item in node.names}
    dotted = [(node, path) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (path := path_of(node))]
    inner = {id(node.value) for node, _ in dotted}
    for node, (root, *parts) in dotted:
        if root in aliases and id(node) not in inner:
            found.add((aliases[root], ".".join(parts)))
    return found


def path_of(node: ast.expr) -> list[str]:
    """`aws.ec2.Vpc` in its parts; none for what is more than names, as `made().arn`."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute) and (before := path_of(node.value)):
        return [*before, node.attr]
    return []


def is_sdk(module: str) -> bool:
    return module.split(".")[0] in SDKS.values()


if __name__ == "__main__":
    sys.exit(main())
