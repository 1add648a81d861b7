"""Sticky routing with nothing but header patterns: the last two characters of a key choose one of 256 buckets.

Keys that end like UUIDs, hexadecimal digests or decimal numbers fall evenly into them. The hundred buckets that are
decimal are dealt out apart from the others, so that numeric ids meet the declared weights as well as hexadecimal ones.
"""

from __future__ import annotations

from collections.abc import Mapping

_DIGITS = "0123456789"
_LETTERS = "abcdef"
_DECIMAL = tuple(f"{first}{second}" for first in _DIGITS for second in _DIGITS)
_OTHER = tuple(
    f"{first}{second}"
    for first in _DIGITS + _LETTERS
    for second in _DIGITS + _LETTERS
    if first in _LETTERS or second in _LETTERS
)


def buckets(weights: Mapping[str, float]) -> dict[str, frozenset[str]]:
    """Release -> endings, every ending once. Whole buckets only: a share is met to half of a percent.

    `weights` sum to 100. A release keeps its endings while the weights of those before it (by name) and its own stay.
    """
    dealt: dict[str, set[str]] = {name: set() for name in weights}
    for endings in (_DECIMAL, _OTHER):
        start, passed = 0, 0.0
        for name in sorted(weights):
            passed += weights[name]
            end = round(passed / 100 * len(endings))
            dealt[name].update(endings[start:end])
            start = end
    return {name: frozenset(endings) for name, endings in dealt.items()}


def pattern(endings: frozenset[str]) -> str:
    """A regular expression (RE2, whole value) of the values that end so."""
    by_first: dict[str, str] = {}
    for first in _DIGITS + _LETTERS:
        if seconds := "".join(sorted(ending[1] for ending in endings if ending[0] == first)):
            by_first[first] = seconds
    by_seconds: dict[str, str] = {}
    for first, seconds in by_first.items():
        by_seconds[seconds] = by_seconds.get(seconds, "") + first
    parts = [f"[{firsts}][{seconds}]" for seconds, firsts in by_seconds.items()]
    return f".*({'|'.join(parts)})"
