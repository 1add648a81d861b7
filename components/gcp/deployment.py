"""The dynamic resource as the endpoint declares it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.gcp import providers


class VertexDeployments(Resource, module="gcp", name="VertexDeployments"):
    """`releases`: the whole records by name; `images`, `model_ids`: of each; `hardware`: what each runs on.

    Outputs `deployed`, {release: id of its deployed model}, and `status`.
    """

    deployed: pulumi.Output[Mapping[str, str]]
    status: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        endpoint: pulumi.Input[str],
        region: str,
        key: str,
        releases: Mapping[str, Any],
        images: Mapping[str, pulumi.Input[str]],
        model_ids: Mapping[str, str],
        hardware: Mapping[str, Any],
        environment: Mapping[str, pulumi.Input[str]],
        service_account: pulumi.Input[str],
        kms_key: pulumi.Input[str],
        labels: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {
            "endpoint": endpoint,
            "region": region,
            "key": key,
            "releases": dict(releases),
            "images": dict(images),
            "model_ids": dict(model_ids),
            "hardware": dict(hardware),
            "environment": dict(environment),
            "service_account": service_account,
            "kms_key": kms_key,
            "labels": dict(labels),
        }
        super().__init__(
            providers.VertexDeploymentsProvider(), name, {**inputs, "deployed": None, "status": None}, opts
        )
