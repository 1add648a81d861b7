"""What the types of a network share: tags at creation, descriptions, one target of several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Rule

GROUP_NAMES = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html"

_GROUP_TEXT = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")


def tags_of(resource_type: str) -> dict[str, To]:
    """EC2 takes tags when it makes a thing, with the type of the thing."""

    def specified(tags: Mapping[str, str]) -> list[dict[str, Any]]:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        return [{"ResourceType": resource_type, "Tags": pairs}]

    return {"tags": To("TagSpecifications", by=specified)}


def only(member: str) -> To:
    """One value as a list of one."""
    return To(member, by=lambda value: [value])


def exactly_one(paths: tuple[str, ...], message: str, link: str) -> Rule:
    """`paths`: top-level inputs of which one alone may be given."""

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if sum(inputs.get(path) is not None for path in paths) != 1:
            yield paths[0], message

    return Rule(link, check)


def group_text(path: str) -> Rule:
    """Names and descriptions of security groups and their rules."""

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        value = inputs.get(path, "")
        if not _GROUP_TEXT.fullmatch(value):
            yield path, f"InvalidParameterValue: Value ({value}) for parameter {path} is invalid: {_GROUP_TEXT.pattern}"
        if path == "name" and value.startswith("sg-"):
            yield path, f"InvalidParameterValue: Value ({value}) for parameter GroupName may not begin with sg-"

    return Rule(GROUP_NAMES, check, needs=(path,))
