"""The dynamic resource that owns an online endpoint's weights, as the program declares it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi.dynamic import Resource

from components.azure.providers import EndpointTrafficProvider


class EndpointTraffic(Resource, module="azure", name="EndpointTraffic"):
    """`traffic` and `mirror`: whole percents by deployment. Declared after the deployments that it names."""

    traffic: pulumi.Output[Mapping[str, int]]
    mirror: pulumi.Output[Mapping[str, int]]

    def __init__(
        self,
        name: str,
        *,
        subscription_id: pulumi.Input[str],
        resource_group: pulumi.Input[str],
        workspace: pulumi.Input[str],
        endpoint: pulumi.Input[str],
        traffic: Mapping[str, int],
        mirror: Mapping[str, int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "subscription_id": subscription_id,
            "resource_group": resource_group,
            "workspace": workspace,
            "endpoint": endpoint,
            "traffic": dict(traffic),
            "mirror": dict(mirror),
        }
        super().__init__(EndpointTrafficProvider(), name, props, opts)
