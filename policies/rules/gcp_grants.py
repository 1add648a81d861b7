"""Grants on Google Cloud, whichever of its three forms they take: a member, a binding, a whole policy.

https://cloud.google.com/iam/docs/allow-policies
"""

from __future__ import annotations

import json
from typing import Any

from policies.graph import Node
from policies.resources import Malformed, Props, UnknownValue
from policies.rules.optional import is_given, text, texts

MEMBERS = ("gcp:*IAMMember", "gcp:*IamMember")
BINDINGS = ("gcp:*IAMBinding", "gcp:*IamBinding")
POLICIES = ("gcp:*IAMPolicy", "gcp:*IamPolicy")

WIDE = ("gcp:projects/", "gcp:folder/", "gcp:organizations/")
"""Types that grant on everything below a project or more."""


ACCOUNTS = ("gcp:serviceaccount/account:Account", "gcp:projects/serviceIdentity:ServiceIdentity")
CUSTOM_ROLES = ("gcp:projects/iAMCustomRole:IAMCustomRole", "gcp:organizations/iAMCustomRole:IAMCustomRole")


def role_of(grant: Node) -> str | None:
    """Of a member or a binding; None for a custom role of the stack, which is judged by what it permits itself."""
    try:
        role = text(grant, "role")
    except UnknownValue:
        if grant.referred("role", *CUSTOM_ROLES):
            return None
        raise
    if not role:
        raise Malformed(grant.at("role"), role, "a role")
    return role


def members_of(grant: Node) -> list[tuple[str, str]]:
    """Where each member stands, and who it is. An account of the stack is left out: it is one, whatever its name."""
    if is_given(grant, "members"):
        return [(f"{grant.at('members')}[{index}]", name) for index, name in enumerate(texts(grant, "members"))]
    try:
        member = text(grant, "member")
    except UnknownValue:
        if grant.referred("member", *ACCOUNTS):
            return []
        raise
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
