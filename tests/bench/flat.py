"""A program of one file that declares what a stack declares: the same typed classes, every argument a plain value."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi._types import is_input_type
from recording import Construction


def program(recorded: Sequence[Construction]) -> str:
    """Its source, which a person might have written: an import per SDK, then a call per resource."""
    calls = [call(place, each) for place, each in enumerate(recorded)]
    sdks = sorted({each.kind.__module__.split(".")[0] for each in recorded} - {"components", "pulumi"})
    ours = sorted({each.kind.__module__ for each in recorded if each.kind.__module__.startswith("components.")})
    return "\n".join(["import pulumi", *(f"import {name}" for name in [*sdks, *ours]), *calls, ""])


def call(place: int, each: Construction) -> str:
    words = [source(word) for word in each.positional]
    words += [f"{name}={source(value)}" for name, value in each.arguments.items()]
    if each.provider is not None:
        words.append(f"opts=pulumi.ResourceOptions(provider=r{each.provider})")
    return f"r{place} = {name_of(each.kind)}({', '.join(words)})"


def source(value: Any) -> str:
    if is_input_type(type(value)):
        words = ", ".join(f"{name}={source(item)}" for name, item in vars(value).items() if item is not None)
        return f"{name_of(type(value))}({words})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{source(key)}: {source(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(source(item) for item in value) + "]"
    if isinstance(value, pulumi.AssetArchive):
        return f"pulumi.AssetArchive({source(value.assets)})"
    if isinstance(value, pulumi.StringAsset):
        return f"pulumi.StringAsset({value.text!r})"
    if isinstance(value, pulumi.FileAsset | pulumi.FileArchive):
        return f"pulumi.{type(value).__name__}({str(value.path)!r})"
    if value is None or isinstance(value, str | int | float | bool):
        return repr(getattr(value, "value", value))
    raise TypeError(f"no source for {value!r}")


def name_of(kind: type[Any]) -> str:
    """`pulumi_aws.ec2.Vpc` where its file is `pulumi_aws.ec2.vpc`: the nearest package that exports it."""
    package = kind.__module__
    while "." in package and getattr(sys.modules.get(package.rpartition(".")[0]), kind.__name__, None) is kind:
        package = package.rpartition(".")[0]
    return f"{package}.{kind.__name__}"
