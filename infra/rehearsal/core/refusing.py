"""Everything that can be said against a resource before it exists: by the SDK's types, the kind's judge, its rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from infra.rehearsal.core import sdk
from infra.rehearsal.core.cloud import Cloud
from infra.rehearsal.core.judge import Refusal, Verdict
from infra.rehearsal.core.values import UNKNOWN, at, has_unknown


def verdict(cloud: Cloud, token: str, inputs: Mapping[str, Any], facts: Mapping[str, Any]) -> Verdict:
    """The whole judgement. `inputs` are plain, UNKNOWN in places. A type that nothing models is refused by name."""
    library = cloud.own_sdk()
    if library.declared(token) is None:
        return Verdict(refusals=(Refusal("", f"{library.package} {library.version} has no type {token}"),))
    kind = cloud.kind(token)
    if kind is None:
        home = f"{cloud.kinds.replace('.', '/')}/{token.split(':')[1].split('/')[0]}.py"
        return Verdict(refusals=(Refusal("", f"{token} is declared, but nothing models it; add it to {home}"),))
    wrong = [Refusal(*sdk.worded(found)) for found in library.check(token, inputs)]
    if wrong:  # what has the wrong form can't be turned into a request
        return Verdict(refusals=tuple(wrong))
    if kind.judge is None:
        found = Verdict(reasons={} if not kind.unjudged else {"": kind.unjudged})
    else:
        shown = {key: value for key, value in inputs.items() if not key.startswith("__")}
        found = kind.judge.judge(shown, facts)
    more: list[Refusal] = []
    for rule in kind.rules:
        if any(value is UNKNOWN or has_unknown(value) for path in rule.needs for value in at(inputs, path)):
            continue
        more.extend(Refusal(path, f"{message} ({rule.link})") for path, message in rule.check(inputs))
    return dataclasses.replace(found, refusals=(*found.refusals, *more), reasons={**cloud.reasons, **found.reasons})
