"""Edits of YAML text that leave every other byte alone.

`change(text, wanted)` compares the data in `text` with `wanted` and rewrites only the keys that differ. It knows block
mappings, which is what people write in stack files; a flow mapping (`{a: 1}`) that changes is written out in block.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./:@+=-]*(?<!:)")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class NotEditable(Exception):
    """The text is YAML, but this edit can't be made in it without touching more than was asked."""


def parse(text: str) -> Any:
    """The text's data: plain dicts, lists and scalars. Raises YAMLError or ValueError; doubled keys are errors."""
    return _unshared(YAML(typ="safe", pure=True).load(text.removeprefix("\ufeff")))


def _unshared(data: Any, above: tuple[int, ...] = ()) -> Any:
    """What an alias stands for, as a copy of its own: a change of one must not show in the other."""
    if not isinstance(data, dict | list):
        return data
    if id(data) in above:
        raise ValueError("a value holds itself")
    inside = (*above, id(data))
    if isinstance(data, dict):
        return {key: _unshared(value, inside) for key, value in data.items()}
    return [_unshared(value, inside) for value in data]


def change(text: str, wanted: dict[str, Any]) -> str:
    """`text` with the least change that makes it hold `wanted`. The caller compares afterwards."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text[len(mark) :]
    newline = "\r\n" if "\r\n" in body else "\n"
    root = YAML(typ="safe", pure=True).compose(body)
    current = parse(body)
    if root is None or (isinstance(root, ScalarNode) and current is None):
        head = body if not body or body.endswith("\n") else body + newline
        return mark + head + "".join(_entry(key, value, 0, newline) for key, value in wanted.items())
    if not isinstance(root, MappingNode) or root.flow_style:
        raise NotEditable("the file is not a block mapping")
    edits = sorted(
        _compare(body, root, current, wanted, newline), key=lambda edit: (edit.start, edit.end), reverse=True
    )
    for edit in edits:
        body = body[: edit.start] + edit.text + body[edit.end :]
    return mark + body


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def _compare(
    text: str, node: MappingNode, current: dict[str, Any], wanted: dict[str, Any], newline: str
) -> Iterator[_Edit]:
    """The edits that turn the block mapping `node`, holding `current`, into `wanted`; none overlap."""
    indent = node.start_mark.column
    places = dict(zip(current, node.value, strict=False))
    if len(places) != len(node.value):
        raise NotEditable("merged keys (<<) are in the way")
    for key, (name, value) in places.items():
        if key not in wanted:
            start, end = _line_start(text, name.start_mark.index), _line_end(text, _end(value, name))
            yield _Edit(start, end, "")
        elif wanted[key] == current[key] and type(wanted[key]) is type(current[key]):
            continue
        elif isinstance(value, MappingNode) and not value.flow_style and isinstance(wanted[key], dict):
            if not wanted[key]:
                yield _braces(text, name)
            yield from _compare(text, value, current[key], wanted[key], newline)
        else:
            yield _replacement(text, name, value, key, wanted[key], indent, newline)
    added = [key for key in wanted if key not in current]
    if not added:
        return
    block = "".join(_entry(key, wanted[key], indent, newline) for key in added)
    name, value = node.value[-1]
    at = _behind_deeper_comments(text, _line_end(text, _end(value, name)), indent)
    if at and text[at - 1] != "\n":
        block = newline + block.removesuffix(newline)
    yield _Edit(at, at, block)


def _braces(text: str, name: Node) -> _Edit:
    """`{}` behind a key whose block loses all its entries; comments in the block stay where they are."""
    colon = re.compile(r"[ \t]*:").match(text, name.end_mark.index)
    if colon is None:
        raise NotEditable("a key is written in an unusual way")
    return _Edit(colon.end(), colon.end(), " {}")


def _behind_deeper_comments(text: str, at: int, indent: int) -> int:
    """The first place at or after `at` that no comment of the block above, indented deeper than `indent`, follows."""
    place, found = at, at
    while place < len(text):
        end = _line_end(text, place)
        line = text[place:end]
        depth = len(line) - len(line.lstrip(" "))
        if line.strip() and not (line.lstrip(" ").startswith("#") and depth > indent):
            break
        place = end
        found = end if line.strip() else found
    return found


def _replacement(text: str, name: Node, value: Node, key: str, wanted: Any, indent: int, newline: str) -> _Edit:
    """Write another value for a key. What stands behind it on its line, a comment say, stays there."""
    if _is_flow(value) and " #" in text[value.start_mark.index : value.end_mark.index]:
        raise NotEditable("comments stand inside the braces")
    start, end = name.end_mark.index, _end(value, name)
    entry = _entry(key, wanted, indent, newline)
    head, _, rest = entry.partition(newline)
    written = head[len(_key(key)) + indent :]  # ": value", or ":" before a block
    tail_end = _line_end(text, end)
    first_line_end = _line_end(text, start)
    is_multiline = first_line_end < tail_end
    tail = text[end:tail_end] if not is_multiline or _is_flow(value) else ""
    if is_multiline and not _is_flow(value):
        # A block value: a comment behind the key's colon stays, the lines below go.
        head_rest = text[start:first_line_end]
        comment = re.search(r"\s#.*", head_rest)
        tail = comment.group().rstrip("\r\n") + newline if comment else newline
    if not tail.endswith("\n") and rest:
        tail += newline
        rest = rest.removesuffix(newline)
    if tail.strip() and not tail.lstrip(" \t").startswith("#"):
        raise NotEditable("something else stands on the same line")
    return _Edit(start, tail_end, written + tail + rest)


def _is_flow(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and bool(node.flow_style)


def _end(node: Node, name: Node) -> int:
    """Where a value's own text ends; the parser's mark of a block is behind the comments that follow it."""
    if node.start_mark.index < name.start_mark.index:
        raise NotEditable("an alias (*) is in the way")
    if isinstance(node, ScalarNode):
        if node.style in ("|", ">"):
            return int(node.end_mark.index) - 1
        if node.start_mark.index == node.end_mark.index:
            return int(name.end_mark.index) + 1  # nothing is written; the parser's mark lies behind the next comments
        return int(node.end_mark.index)
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    if isinstance(node, MappingNode):
        last_name, last = node.value[-1]
        return _end(last, last_name)
    return _end(node.value[-1], name)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _key(key: str) -> str:
    return dump(key)


def _entry(key: str, value: Any, indent: int, newline: str) -> str:
    """`key: value` as lines of block YAML, indented, with a line's end behind it."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 1_000_000
    yaml.default_flow_style = False
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({_quoted(key): _quoted(value)}, stream)
    lines = stream.getvalue().splitlines()
    return "".join(" " * indent + line + newline for line in lines)


def dump(scalar: str) -> str:
    """A key as it is written."""
    return _entry(scalar, 0, 0, "\n").rpartition(": 0")[0]


def _quoted(value: Any) -> Any:
    """Texts that some YAML reader takes for something else, in quotes."""
    if isinstance(value, dict):
        return {_quoted(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and (not _PLAIN.fullmatch(value) or value.lower() in _WORDS):
        return DoubleQuotedScalarString(value)
    return value
