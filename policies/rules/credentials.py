"""What somebody could carry off and use for years: keys and passwords that don't expire."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.graph import Node
from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import is_given, mapping, text

KINDS = {
    "aws:iam/accessKey:AccessKey": "an access key",
    "aws:ec2/keyPair:KeyPair": "an SSH key",
    "aws:iam/serviceSpecificCredential:ServiceSpecificCredential": "a service's own credential",
    "aws:iam/signingCertificate:SigningCertificate": "a signing certificate",
    "aws:iam/sshKey:SshKey": "an SSH key",
    "aws:iam/user:User": "a user, whose credentials don't expire",
    "aws:iam/userLoginProfile:UserLoginProfile": "a password",
    "azure-native:containerregistry:Token": "a registry's token",
    "azure-native:storage:LocalUser": "a local user of a storage account",
    "gcp:apigateway/apiKey:ApiKey": "an API key",
    "gcp:projects/apiKey:ApiKey": "an API key",
    "gcp:serviceaccount/key:Key": "a service account's key",
}
STATIC_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
)
ACCESS_KEY = re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")


@rule(
    "no-long-lived-keys",
    Severity.CRITICAL,
    types=tuple(KINDS),
    title="Nothing is reached by a key or a password that doesn't expire",
    why="Such a key is copied, forgotten and found; nobody sees who uses it, and it works until somebody looks.",
    remedy="Take a role, workload identity or federation, whose tokens last for minutes.",
)
def no_long_lived_keys(key: Node) -> Finding | None:
    """That it is there is enough, unless it is switched off."""
    is_off = text(key, "status") == "Inactive"
    return None if is_off else Finding(at="type", found=KINDS.get(key.resource.type, "a key"))


no_long_lived_keys.examples(
    good=[{"status": "Inactive"}],
    bad=[{}, {"status": "Active"}, {"user": UNKNOWN}],
    unknown=[{"user": "a", "status": UNKNOWN}],
)


@no_long_lived_keys.also("gcp:storage/hmacKey:HmacKey")
def _hmac_key(key: Props) -> Finding | None:
    state = text(key, "state")
    return None if state == "INACTIVE" else Finding(at="state", found=state)


_hmac_key.examples(good=[{"state": "INACTIVE"}], bad=[{}, {"state": "ACTIVE"}], unknown=[{"state": UNKNOWN}])


@no_long_lived_keys.also("kubernetes:core/v1:Secret")
def _account_token(secret: Props) -> Finding | None:
    """https://kubernetes.io/docs/concepts/security/service-accounts/#get-a-token"""
    kind = text(secret, "type")
    return Finding(at="type", found=kind) if kind == "kubernetes.io/service-account-token" else None


_account_token.examples(
    good=[{}, {"type": "Opaque"}],
    bad=[{"type": "kubernetes.io/service-account-token"}],
    unknown=[{"type": UNKNOWN}],
)


@no_long_lived_keys.also("aws:lambda/function:Function")
def _function(function: Props) -> Iterator[Finding]:
    variables = mapping(function, "environment", "variables")
    for name in STATIC_VARIABLES:
        if is_given(variables, name):
            yield Finding(at=variables.at(name), found="a key")


_function.examples(
    good=[{}, {"environment": {"variables": {"STACK": UNKNOWN}}}],
    bad=[{"environment": {"variables": {"AWS_SECRET_ACCESS_KEY": UNKNOWN}}}],
    unknown=[{"environment": UNKNOWN}],
)


@no_long_lived_keys.also("aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate")
def _instance(instance: Props) -> Iterator[Finding]:
    if is_given(instance, "keyName"):
        yield Finding(at="keyName", found="an SSH key")
    if ACCESS_KEY.search(text(instance, "userData") or ""):
        yield Finding(at="userData", found="text that holds an access key")


_instance.examples(
    good=[{}, {"userData": "#!/bin/sh\necho hello"}],
    bad=[{"keyName": "mine"}, {"keyName": UNKNOWN}, {"userData": "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"}],
    unknown=[{"userData": UNKNOWN}],
)
