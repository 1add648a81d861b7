"""Grants on Google Cloud, whichever of its three forms they take: a member, a binding, a whole policy.

https://cloud.google.com/iam/docs/allow-policies
"""

from __future__ import annotations

import json
from typing import Any

from policies.resources import Malformed, Props
from policies.rules.optional import text, texts

MEMBERS = ("gcp:*IAMMember", "gcp:*IamMember")
BINDINGS = ("gcp:*IAMBinding", "gcp:*IamBinding")
POLICIES = ("gcp:*IAMPolicy", "gcp:*IamPolicy")

WIDE = ("gcp:projects/", "gcp:folder/", "gcp:organizations/")
"""Types that grant on everything below a project or more."""


def role_of(grant: Props) -> str:
    """Of a member or a binding."""
    role = text(grant, "role")
    if not role:
        raise Malformed(grant.at("role"), role, "a role")
    return role


def members_of(grant: Props) -> list[tuple[str, str]]:
    """Where each member stands, and who it is."""
    if grant.get("members") is not None:
        return [(f"{grant.at('members')}[{index}]", name) for index, name in enumerate(texts(grant, "members"))]
    member = text(grant, "member")
    if not member:
        raise Malformed(grant.at("member"), member, "a member")
    return [(grant.at("member"), member)]


def bindings_of(policy: Props) -> list[tuple[str, str, list[str]]]:
    """Of a whole policy, which stands in `policyData` as JSON: where, the role, its members."""
    path, given = policy.at("policyData"), text(policy, "policyData")
    if given is None:
        raise Malformed(path, given, "a policy's JSON")
    try:
        found: Any = json.loads(given).get("bindings") or []
        bindings = [(item["role"], item.get("members") or []) for item in found]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Malformed(path, given, "a policy's JSON") from None
    if not isinstance(found, list) or not all(_is_binding(role, members) for role, members in bindings):
        raise Malformed(path, given, "a policy's JSON")
    return [(f"{path}.bindings[{index}]", role, members) for index, (role, members) in enumerate(bindings)]


def _is_binding(role: Any, members: Any) -> bool:
    return isinstance(role, str) and isinstance(members, list) and all(isinstance(member, str) for member in members)
