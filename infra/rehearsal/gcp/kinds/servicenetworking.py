"""Peerings with Google's own network."""

from __future__ import annotations

from infra.rehearsal.core.kinds import Kind, Ref
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.compute import NETWORK
from infra.rehearsal.gcp.requests import named, operation

KINDS: tuple[Kind, ...] = (
    Kind(
        "gcp:servicenetworking/connection:Connection",
        judge=Calls(
            "discovery servicenetworking.v1",
            operation(
                "servicenetworking.v1",
                "services.connections.create",
                {"service": "parent"},
                fixed={"parent": "services/{service}"},
                omits=("service",),
            ),
            local={
                "service": "stands in the call's path",
                "deletionPolicy": "the provider's own: whether it deletes the peering when the resource goes",
            },
        ),
        id="{network}:{service}",
        outputs={"peering": "servicenetworking-googleapis-com"},
        references={
            "network": Ref(NETWORK, by=("selfLink", "name")),
            "reservedPeeringRanges": Ref("gcp:compute/globalAddress:GlobalAddress", by=("name",), holds=True),
        },
        rules=(
            named(
                "service",
                r"[a-z0-9.-]+\.googleapis\.com",
                "https://cloud.google.com/vpc/docs/configure-private-services-access",
            ),
        ),
        immutable=frozenset({"network", "service"}),
    ),
)
