"""What the stand-in for the provider `kubernetes` is made of."""

from __future__ import annotations

from infra.rehearsal.core.account import Account
from infra.rehearsal.core.sdk import Sdk
from infra.rehearsal.kubernetes.provider import Kubernetes


def make(account: Account, *, is_strict: bool = True) -> Kubernetes:
    return Kubernetes(account, is_strict=is_strict)


def version() -> str:
    return Sdk("pulumi_kubernetes").version
