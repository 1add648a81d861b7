"""Names that a provider makes up from the logical name, stable for what exists."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from infra.rehearsal.core.kinds import Autoname

DEFAULTS = "__defaults"
"""Where the engine's bridge notes which inputs it filled in."""

DIGITS = 7


def named(
    rule: Autoname, logical: str, inputs: Mapping[str, Any], olds: Mapping[str, Any], seed: bytes
) -> dict[str, Any]:
    """The inputs with the name filled in where it is left out; the old one is kept where it was made up too."""
    if inputs.get(rule.input) is not None:
        return dict(inputs)
    if rule.input in olds.get(DEFAULTS, ()) and rule.input in olds:
        name = olds[rule.input]
    else:
        # The engine's seed differs between a resource and its replacement; a preview and its update have the same.
        digits = hashlib.sha256(seed or logical.encode()).hexdigest()[:DIGITS]
        stem = str(inputs[rule.prefix_input]) if inputs.get(rule.prefix_input) else logical + rule.separator
        room = rule.max_length - len(digits) - len(rule.suffix)
        name = f"{stem[:room]}{digits}{rule.suffix}"
        name = name.lower() if rule.is_lower else name
    return {**inputs, rule.input: name, DEFAULTS: [*inputs.get(DEFAULTS, ()), rule.input]}
