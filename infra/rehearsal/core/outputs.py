"""What the cloud computes: every output of the SDK's class gets a value of its type, so that no `apply` meets None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.rehearsal.core.kinds import Kind
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.templates import drawn, drawn_uuid, filled
from infra.rehearsal.core.values import UNKNOWN

WHEN = "2026-01-31T12:00:00Z"

_GUESSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("arn",), "arn:{partition}:{service}:{region}:{account}:{word}/{hex:12}"),
    (("selflink", "uri", "url", "endpoint", "website"), "https://{word}-{hex:8}.example.com"),
    (("ipaddress", "publicip", "privateip"), "203.0.113.{digits:1}"),
    (("fingerprint", "etag", "hash", "checksum"), "{hex:32}"),
    (("createdat", "timestamp", "createdtime", "modified", "time", "date"), WHEN),
    (("status", "state"), "ACTIVE"),
    (("region", "location"), "{region}"),
    (("ownerid", "accountid", "registryid"), "{account}"),
    (("project",), "{project}"),
    (("id",), "{word}-{hex:17}"),
)  # fmt: skip
"""By the ending of an output's name; the first that fits."""


def made(
    kind: Kind, shape: Shape, inputs: Mapping[str, Any], facts: Mapping[str, Any], seed: str
) -> tuple[str, dict[str, Any]]:
    """(id, outputs) of a new object. `shape`: of the SDK's outputs. `seed`: the same for the same object."""
    shown = {key: value for key, value in inputs.items() if not key.startswith("__")}
    own = {"word": kind.token.rsplit(":", 1)[-1].lower(), "service": kind.token.split(":")[1].split("/")[0]}
    known = {**own, **facts, **kind.defaults, **shown}
    identifier = str(kind.id(known) if callable(kind.id) else filled(kind.id, known, seed))
    known["id"] = identifier
    computed: dict[str, Any] = {}
    for name, output in kind.outputs.items():
        computed[name] = output(known) if callable(output) else filled(output, known, f"{seed}/{name}")
        known[name] = computed[name]
    return identifier, completed(shape, {**kind.defaults, **shown, **computed}, known, seed)


def completed(shape: Shape, values: Mapping[str, Any], facts: Mapping[str, Any], seed: str) -> dict[str, Any]:
    """The values, and something plausible for each output that always has one."""
    done = dict(values)
    for name, member in shape.members.items():
        held = done.get(name)
        if held is None and name in shape.required:
            done[name] = _plausible(name, member, facts, f"{seed}/{name}")
        elif isinstance(held, Mapping) and member.kind == "structure":
            done[name] = completed(member, held, facts, f"{seed}/{name}")
        elif isinstance(held, list) and member.kind == "list" and member.item.kind == "structure":
            done[name] = [
                completed(member.item, item, facts, f"{seed}/{name}/{index}") if isinstance(item, Mapping) else item
                for index, item in enumerate(held)
            ]
    return done


def unknown(
    kind: Kind, shape: Shape, inputs: Mapping[str, Any], olds: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The outputs of what does not exist yet: the inputs, and what only its creation tells. `olds`: of what exists
    and is only changed; whatever it says beside its inputs stays as it is."""
    # A block that the table gives has another form than the input of its name.
    shown = {
        key: value
        for key, value in inputs.items()
        if not key.startswith("__") and not (key in kind.outputs and isinstance(value, Mapping))
    }
    if olds is not None:
        return {**olds, **shown}
    computed = set(shape.required) | set(kind.outputs)
    return {**dict.fromkeys(computed, UNKNOWN), **kind.defaults, **shown}


def _plausible(name: str, shape: Shape, facts: Mapping[str, Any], seed: str) -> Any:
    if shape.kind == "string":
        if shape.enum:
            return shape.enum[0]
        return _text(name, facts, seed)
    if shape.kind in ("integer", "number"):
        return 0
    if shape.kind == "boolean":
        return False
    if shape.kind == "list":
        return []
    if shape.kind == "structure":
        return completed(shape, {}, facts, seed)
    return {}


def _text(name: str, facts: Mapping[str, Any], seed: str) -> str:
    own = name.lower()
    if own == "name":
        return str(facts.get("id", drawn("letters", 8, seed)))
    if own == "uuid" or own.endswith("uniqueid"):
        return drawn_uuid(seed)
    word = own.removesuffix("id").removesuffix("arn") or str(facts.get("word", "thing"))
    known = {
        "service": own,
        "partition": "aws",
        "region": "region",
        "account": "",
        "project": "",
        **facts,
        "word": word,
    }
    for endings, template in _GUESSES:
        if own.endswith(endings):
            return str(filled(template, known, seed))
    return f"{own}-{drawn('hex', 8, seed)}"
