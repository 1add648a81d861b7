"""What SageMaker can't combine in one endpoint, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.aws.settings import AwsEndpoint
from components.specs import EndpointSpec

Applies = Callable[[EndpointSpec, AwsEndpoint], str | None]
"""The words of the stack's file that run into the limit; None where nothing does."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`reason` continues `... is asked for; `. `link`: where AWS says so."""

    asks: Applies
    reason: str
    remedy: str
    link: str


SERVERLESS = "https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html"
SHADOW = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html"


def _serverless(ask: Callable[[EndpointSpec], str | None]) -> Applies:
    return lambda spec, settings: ask(spec) if settings.mode == "serverless" else None


def _shadow_beside_several(spec: EndpointSpec, settings: AwsEndpoint) -> str | None:
    shadows = [name for name, release in spec.releases.items() if release.shadow_percent]
    if not shadows or (len(spec.releases) == 2 and len(shadows) == 1):
        return None
    return f"skywright:endpoint.releases has {len(spec.releases)} entries, {len(shadows)} with shadow_percent"


def _shadow_with_weight(spec: EndpointSpec, settings: AwsEndpoint) -> str | None:
    for name, release in spec.releases.items():
        if release.shadow_percent and release.weight_percent:
            return f"skywright:endpoint.releases.{name} has weight_percent and shadow_percent"
    return None


def _too_many(spec: EndpointSpec, settings: AwsEndpoint) -> str | None:
    count = len(spec.releases)
    return f"skywright:endpoint.releases has {count} entries" if count > 10 else None


LIMITS: tuple[Limit, ...] = (
    Limit(
        _shadow_beside_several,
        "SageMaker takes one shadow variant beside exactly one release that answers",
        "Keep one release with weight_percent 100 and one with shadow_percent, or choose runtime kubernetes.",
        SHADOW,
    ),
    Limit(
        _shadow_with_weight,
        "a SageMaker variant either answers or shadows",
        "Set its weight_percent to 0, or remove shadow_percent.",
        SHADOW,
    ),
    Limit(_too_many, "a SageMaker endpoint takes 10 variants", "Remove some, or choose runtime kubernetes.", SHADOW),
    Limit(
        _serverless(lambda spec: f"skywright:endpoint.releases has {len(spec.releases)} entries"
                    if len(spec.releases) > 1 else None),
        "a serverless endpoint has one variant",
        "Keep one release, or set aws.endpoint.mode to realtime.",
        SERVERLESS,
    ),
    Limit(
        _serverless(lambda spec: f"skywright:endpoint.accelerator.kind is {spec.accelerator.kind!r}"
                    if spec.accelerator else None),
        "serverless endpoints have no accelerators",
        "Remove it, or set aws.endpoint.mode to realtime.",
        SERVERLESS,
    ),
    Limit(
        _serverless(lambda spec: f"skywright:endpoint.capture_percent is {spec.capture_percent:g}"
                    if spec.capture_percent else None),
        "serverless endpoints capture nothing",
        "Set it to 0, or set aws.endpoint.mode to realtime.",
        SERVERLESS,
    ),
    Limit(
        _serverless(lambda spec: f"skywright:endpoint.max_replicas is {spec.max_replicas}"
                    if spec.max_replicas > 1 else None),
        "serverless endpoints scale by concurrency, not by replicas",
        "Set it to 1 and aws.endpoint.serverless_concurrency as needed, or set aws.endpoint.mode to realtime.",
        SERVERLESS,
    ),
)  # fmt: skip


def broken(spec: EndpointSpec, settings: AwsEndpoint) -> tuple[str, str] | None:
    """(reason, remedy) of the first limit that the spec runs into."""
    for limit in LIMITS:
        if asked := limit.asks(spec, settings):
            return f"{asked}; {limit.reason} ({limit.link})", limit.remedy
    return None
