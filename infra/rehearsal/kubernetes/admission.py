"""What only an operator's webhook would refuse, as ValidatingAdmissionPolicies: the API server itself says no.

admission.yaml holds the rules by kind: the CEL expression that must hold, the message, the place in the operator's
sources that it follows. What CEL can't know (other objects, another language) is in `lookups`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).with_name("admission.yaml")


def fingerprint() -> str:
    """Changes with the rules."""
    return hashlib.sha256(repr(list(documents())).encode()).hexdigest()


def documents() -> Iterator[dict[str, Any]]:
    """The objects to create: a policy and its binding per kind, and the right of the read-only user to read."""
    for kind, entry in yaml.safe_load(RULES.read_text()).items():
        group, version, plural = kind.split("/")
        name = f"{plural}.{group}.rehearsed"
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": [group],
                            "apiVersions": [version],
                            "operations": ["CREATE", "UPDATE"],
                            "resources": [plural],
                        }
                    ]
                },
                "matchConditions": [{"name": "says-something", "expression": "has(object.spec)"}],
                "variables": [
                    {"name": name, "expression": expression} for name, expression in entry.get("variables", {}).items()
                ],
                "validations": [
                    {"expression": rule["holds"], "message": rule["message"], "reason": "Invalid"}
                    for rule in entry["rules"]
                ],
            },
        }
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "readers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers"}],
    }
