"""Properties that may be absent, each of one kind.

Absent gives None, or nothing; another kind raises Malformed, a value that isn't known yet UnknownValue.
"""

from __future__ import annotations

from policies.resources import Malformed, Props, UnknownValue


def text(props: Props, key: str) -> str | None:
    value = props.get(key)
    if value is not None and not isinstance(value, str):
        raise Malformed(props.at(key), value, "a text")
    return value


def texts(props: Props, key: str) -> list[str]:
    """A list of texts."""
    value = props.get(key, [])
    if not isinstance(value, list):
        raise Malformed(props.at(key), value, "a list")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise Malformed(f"{props.at(key)}[{index}]", item, "a text")
    return value


def flag(props: Props, key: str) -> bool | None:
    """Also what the engine keeps as text: "true", "false"."""
    value = props.get(key)
    if value is None or isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Malformed(props.at(key), value, "true or false")


def number(props: Props, key: str) -> float | None:
    return None if props.get(key) is None else props.number(key)


def records(props: Props, key: str) -> list[Props]:
    """A list of mappings."""
    return [] if props.get(key) is None else props.records(key)


def mapping(props: Props, *path: str) -> Props:
    """What lies at the path; an empty mapping at that path where there is nothing."""
    for key in path:
        props = Props({}, props.at(key)) if props.get(key) is None else props.mapping(key)
    return props


def is_given(props: Props, key: str) -> bool:
    """Whether something stands there, be it secret or not known yet."""
    try:
        return props.get(key) is not None
    except UnknownValue:
        return True
