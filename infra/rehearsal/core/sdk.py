"""A provider SDK's own types, read from its generated sources a class at a time: importing them takes seconds."""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.rehearsal.core.shape import ANY, Shape, plain_name
from infra.rehearsal.core.validate import Violation, dotted, violations

_REGISTERED = re.compile(r"resource_modules=\"{3}\n(.*?)\"{3}", re.DOTALL)
_GETTER = re.compile(
    r"@pulumi\.getter(?:\(name=\"(?P<name>[^\"]+)\"\))?\n(?:    @.+\n)*"
    r"    def (?P<own>\w+)\(self\) -> (?P<type>.+):\n"
)
_AT_THE_MARGIN = re.compile(r"\n(?=[^\s#)])")
_SCALARS = {
    "_builtins.str": "string", "_builtins.int": "integer", "_builtins.float": "number", "_builtins.bool": "boolean",
    "str": "string", "int": "integer", "float": "number", "bool": "boolean",
    "pulumi.Asset": "asset", "pulumi.Archive": "asset",
}  # fmt: skip


@dataclass(frozen=True)
class Declared:
    """A type of the SDK: the shapes of its inputs and of its outputs, which repeat the inputs."""

    token: str
    inputs: Shape
    outputs: Shape


class Sdk:
    """The Python package of a provider's SDK, such as `pulumi_aws`. Nothing of it is imported."""

    def __init__(self, package: str) -> None:
        self.package = package
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"the provider SDK {package} is not installed", name=package)
        self.folder = Path(spec.origin).parent

    @functools.cached_property
    def version(self) -> str:
        return str(json.loads((self.folder / "pulumi-plugin.json").read_text())["version"])

    @functools.cached_property
    def classes(self) -> Mapping[str, tuple[str, str]]:
        """(Python module, class) by token: all that the package registers."""
        match = _REGISTERED.search((self.folder / "__init__.py").read_text())
        modules = json.loads(match[1]) if match else []
        return {token: (module["fqn"], name) for module in modules for token, name in module["classes"].items()}

    @functools.cache  # noqa: B019  (one per process)
    def declared(self, token: str) -> Declared | None:
        """None: the package has no such type."""
        if token not in self.classes:
            return None
        module, name = self.classes[token]
        file = self._file(module, name)
        source = _Source(self, file.parent)
        args = re.search(r"^__all__ = \['(\w+)', '\w+'\]", _text(file), re.MULTILINE)
        given = _class(file, args[1]) if args else None
        inputs = {} if given is None else dict(_getters(given))
        made = dict(_getters(_class(file, name) or ""))
        return Declared(
            token,
            source.structure(inputs, token),
            source.structure(made, token),
        )

    def check(self, token: str, inputs: Mapping[str, Any]) -> list[Violation]:
        """What the SDK's own types say against the inputs."""
        declared = self.declared(token)
        assert declared is not None
        shown = {key: value for key, value in inputs.items() if not key.startswith("__")}
        return list(violations(shown, declared.inputs))

    def leaves(self, token: str, inputs: Mapping[str, Any]) -> frozenset[str]:
        """Paths of the inputs that say something, dotted, without indices; a map of free keys is one."""
        declared = self.declared(token)
        assert declared is not None
        shown = {key: value for key, value in inputs.items() if not key.startswith("__")}
        return frozenset(_leaves(shown, declared.inputs, ""))

    def _file(self, module: str, name: str) -> Path:
        folder = self.folder.joinpath(*module.split(".")[1:])
        wanted = plain_name(name)
        for file in folder.glob("*.py"):
            if plain_name(file.stem) == wanted:
                return file
        for file in folder.glob("*.py"):  # numbers and keywords are spelt in other ways
            if f"\nclass {name}(" in file.read_text():
                return file
        raise FileNotFoundError(f"{module}.{name} is registered, but no file of {folder} has it")


class _Source:
    """A folder of the SDK, whose `_inputs`, `outputs` and `_enums` the annotations in it speak of."""

    def __init__(self, sdk: Sdk, folder: Path) -> None:
        self._sdk = sdk
        self._folder = folder

    def structure(self, getters: Mapping[str, str], name: str) -> Shape:
        return Shape(
            "structure",
            name=name,
            required=frozenset(key for key, kind in getters.items() if not _is_optional(kind)),
            lazy_members=lambda: {key: self.shape(kind) for key, kind in getters.items()},
        )

    def shape(self, annotation: str) -> Shape:
        return self._of(ast.parse(annotation, mode="eval").body)

    def _of(self, node: ast.expr) -> Shape:
        if isinstance(node, ast.Subscript):
            outer = ast.unparse(node.value)
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if outer in ("pulumi.Input", "pulumi.Output", "Optional"):
                return self._of(inner[0])
            if outer == "Sequence":
                return Shape("list", lazy_item=lambda: self._of(inner[0]))
            if outer == "Mapping":
                return Shape("map", lazy_item=lambda: self._of(inner[-1]))
            if outer == "Union":
                return _union(tuple(self._of(item) for item in inner))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._named(node.value)
        kind = _SCALARS.get(ast.unparse(node))
        return Shape(kind) if kind else ANY

    def _named(self, name: str) -> Shape:
        """Of a class: 'BucketLoggingArgs', 'outputs.BucketLogging', '_meta.v1.ObjectMetaArgs', an enum."""
        folder, _, own = name.rpartition(".")
        home = self._folder
        if folder and folder != "outputs":
            parts = folder.split(".")
            parts = parts[:-1] if parts[-1] == "outputs" else parts
            home = self._sdk.folder.joinpath(*[part.lstrip("_") for part in parts])
        for file in ("outputs.py",) if "outputs" in folder.split(".") else ("_inputs.py", "_enums.py"):
            if (body := _class(home / file, own)) is not None:
                if file == "_enums.py":
                    return Shape("string", name=own, enum=_values(body))
                return _Source(self._sdk, home).structure(dict(_getters(body)), own)
        return ANY


@functools.cache
def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@functools.cache
def _starts(file: Path) -> dict[str, int]:
    """Where each class begins: a module's types lie in one file of megabytes."""
    return {found[1]: found.start() + 1 for found in re.finditer(r"\nclass (\w+)", _text(file))}


def _class(file: Path, name: str) -> str | None:
    """The source of a class: from its line to the next thing at the margin."""
    if (start := _starts(file).get(name)) is None:
        return None
    text = _text(file)
    end = _AT_THE_MARGIN.search(text, start + 1)
    return text[start : end.start() + 1 if end else len(text)]


def _getters(body: str) -> Iterator[tuple[str, str]]:
    """(property as the engine knows it, annotation)."""
    for found in _GETTER.finditer(body):
        yield found["name"] or found["own"], found["type"]


def _values(body: str) -> tuple[str, ...]:
    return tuple(str(ast.literal_eval(value)) for value in re.findall(r"^    \w+ = (.+)$", body, re.MULTILINE))


def _is_optional(annotation: str) -> bool:
    return re.match(r"(pulumi\.(Input|Output)\[)?(Optional|Any)\b", annotation) is not None


def _union(options: tuple[Shape, ...]) -> Shape:
    """Beside a plain string an enum only names the values known when the SDK was made."""
    plain = [option for option in options if option.kind != "string" or not option.enum]
    chosen = tuple(plain) if any(option.kind == "string" for option in plain) else options
    return chosen[0] if len(chosen) == 1 else Shape("union", lazy_options=lambda: chosen)


def _leaves(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if shape.kind == "union":
        shape = next((option for option in shape.options if not list(violations(value, option))), ANY)
    if isinstance(value, list | tuple) and value and any(isinstance(item, Mapping) for item in value):
        for item in value:
            yield from _leaves(item, shape.item if shape.kind == "list" else ANY, path)
    elif isinstance(value, Mapping) and value and shape.kind == "structure":
        for key, item in value.items():
            yield from _leaves(item, shape.members.get(key, ANY), f"{path}.{key}" if path else key)
    else:
        yield path


def worded(violation: Violation) -> tuple[str, str]:
    """(path, message) of what the SDK's types refuse, as providers word it."""
    path = dotted(violation.path)
    own = str(violation.path[-1]) if violation.path else ""
    if violation.what == "unknown":
        return (
            path,
            f"Unsupported argument: an argument named {own!r} is not expected here; allowed: {violation.allowed}",
        )
    if violation.what == "required":
        return path, f"Missing required argument: the argument {own!r} is required, but no definition was found"
    if violation.what == "type":
        return path, f"Incorrect type: {own!r} is {violation.value!r}; allowed: {violation.allowed}"
    return path, f"Unsupported value: {own!r} is {violation.value!r}; allowed: {violation.allowed}"
