"""A judge made of an API's operations: each takes the inputs that its request has members for.

    Calls(
        "botocore kms",
        operation("kms", "CreateKey", {"customerMasterKeySpec": "KeySpec"}),
        operation("kms", "EnableKeyRotation", when="enableKeyRotation", fixed={"KeyId": "{id}"}),
        local={"isEnabled": "a key is enabled when it is made"},
    )

An input that no operation has a member for, and no `local` reason, is left unaccounted: the resource stays `rehearsed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.rehearsal.core.fit import Fitted, Rule, fit
from infra.rehearsal.core.judge import Refusal, Verdict
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.templates import filled
from infra.rehearsal.core.validate import Words, violations
from infra.rehearsal.core.values import UNKNOWN, at


@dataclass(frozen=True)
class Operation:
    """One request. `rules`: see `fit`. `fixed`: members that no input gives; strings are templates of the cloud's facts
    (see `templates`), UNKNOWN where only the cloud knows; functions get the facts and the inputs, and None leaves the
    member out. `when`: an input (dotted) without which, or with which false or empty, the request isn't made; a
    function of the inputs says it in other cases.

    `takes`: the only inputs (top level) that this request looks at; default all. `omits`: those it never does.
    """

    label: str
    shape: Callable[[], Shape]
    words: Words
    rules: Mapping[str, Rule] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    when: str | Callable[[Mapping[str, Any]], bool] | None = None
    takes: tuple[str, ...] | None = None
    omits: tuple[str, ...] = ()

    def is_made(self, inputs: Mapping[str, Any]) -> bool:
        if self.when is None:
            return True
        if callable(self.when):
            return self.when(inputs)
        return any(value is UNKNOWN or value or (value == 0 and value is not False) for value in at(inputs, self.when))


class Calls:
    """Judges by one or several operations. `local`: reasons for inputs that go to none."""

    def __init__(self, name: str, *operations: Operation, local: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.operations = operations
        self.local = dict(local or {})

    def judge(self, inputs: Mapping[str, Any], facts: Mapping[str, Any]) -> Verdict:
        refusals: list[Refusal] = []
        carried: set[str] = set()
        reasons: dict[str, str] = dict(self.local)
        requests: dict[str, Any] = {}
        for operation, done in self.fitted(inputs, facts):
            carried |= done.carried
            if isinstance(operation.when, str):
                carried.add(operation.when)  # it is what asks for the request
            for path, why in done.reasons.items():
                reasons.setdefault(path, why)
            requests[operation.label] = done.request
            broken = violations(done.request, operation.shape())
            refusals.extend(Refusal(done.origin(found.path), operation.words(found)) for found in broken)
        for operation in self.operations:
            if isinstance(operation.when, str) and not operation.is_made(inputs):
                reasons.setdefault(operation.when, f"{operation.label} is not called when it is false or empty")
        return Verdict(self.name, tuple(refusals), frozenset(carried), reasons, requests)

    def fitted(self, inputs: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[tuple[Operation, Fitted]]:
        """The requests that are made."""
        for operation in self.operations:
            if not operation.is_made(inputs):
                continue
            taken = {
                key: value
                for key, value in inputs.items()
                if (operation.takes is None or key in operation.takes) and key not in operation.omits
            }
            done = fit(taken, operation.shape(), operation.rules)
            for name, value in operation.fixed.items():
                if (made := _fixed(value, {**inputs, **facts})) is not None:
                    _set(done.request, name, made)
            yield operation, done


def _fixed(value: Any, facts: Mapping[str, Any]) -> Any:
    try:
        return value(facts) if callable(value) else filled(value, facts)
    except KeyError:  # told by the creation
        return UNKNOWN


def _set(request: dict[str, Any], path: str, value: Any) -> None:
    *way, name = path.split(".")
    for step in way:
        request = request.setdefault(step, {})
    request.setdefault(name, value)
