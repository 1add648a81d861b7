"""The one route of an endpoint: all weights, the sticky key and the shadows, in the Gateway API's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.kubernetes.buckets import buckets, pattern
from components.specs import RoutingSpec
from ml_jobs.contract import Release

MAX_RELEASES = 16
"""Backends of a rule, and rules of a route, as the HTTPRoute's schema says."""
PORT = 80
HUNDREDTHS = 100


def rules(
    releases: Mapping[str, Release], services: Mapping[str, str], routing: RoutingSpec, *, nobody: str
) -> list[dict[str, Any]]:
    """The rules of the HTTPRoute. `services`: release -> its Service; `nobody`: a Service without endpoints, which
    answers 503 while nothing is released."""
    serving = {name: release for name, release in releases.items() if release.weight_percent > 0}
    if not serving:
        return [{"matches": _everything(), "backendRefs": [_backend(nobody)]}]
    shadows = [_mirror(services[name], item) for name, item in releases.items() if item.shadow_percent > 0]
    filters = {"filters": shadows} if shadows else {}
    by_weight = {
        "matches": _everything(),
        "backendRefs": [
            {**_backend(services[name]), "weight": round(item.weight_percent * HUNDREDTHS)}
            for name, item in serving.items()
        ],
        **filters,
    }
    if routing.mode == "weighted" or len(serving) == 1:
        return [by_weight]
    endings = buckets({name: release.weight_percent for name, release in serving.items()})
    return [
        *(
            {
                "matches": [
                    {
                        **_everything()[0],
                        "headers": [
                            {
                                "type": "RegularExpression",
                                "name": routing.key_header,
                                "value": pattern(endings[name]),
                            }
                        ],
                    }
                ],
                "backendRefs": [_backend(services[name])],
                **filters,
            }
            for name in serving
            if endings[name]
        ),
        by_weight,
    ]


def _everything() -> list[dict[str, Any]]:
    return [{"path": {"type": "PathPrefix", "value": "/"}}]


def _backend(service: str) -> dict[str, Any]:
    return {"name": service, "port": PORT}


def _mirror(service: str, release: Release) -> dict[str, Any]:
    share = {"numerator": round(release.shadow_percent * HUNDREDTHS), "denominator": 100 * HUNDREDTHS}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": _backend(service), "fraction": share}}
