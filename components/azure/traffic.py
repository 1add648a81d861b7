"""Setting an online endpoint's weights over Azure ML's REST models. Run by the dynamic provider alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

STAND_IN_VARIABLE = "SKYWRIGHT_AZURE_ENDPOINT"
"""Set by a rehearsal alone: the loopback URL of what stands in for Azure Resource Manager."""

Props = Mapping[str, Any]


class _LoopbackCredential:
    """Goes to a loopback address alone."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("rehearsal", 4_102_444_800)


def client(props: Props) -> Any:
    """The client that azure-ai-ml itself talks to the endpoint with."""
    from azure.ai.ml._restclient.arm_ml_service import MachineLearningServicesMgmtClient

    stand_in = os.environ.get(STAND_IN_VARIABLE)
    if not stand_in:
        from azure.identity import DefaultAzureCredential

        return MachineLearningServicesMgmtClient(DefaultAzureCredential(), props["subscription_id"])
    if not stand_in.startswith("http://127.0.0.1:"):
        raise ValueError(f"{STAND_IN_VARIABLE} is {stand_in!r}; allowed: http://127.0.0.1:<port>")
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    return MachineLearningServicesMgmtClient(
        _LoopbackCredential(),
        props["subscription_id"],
        base_url=stand_in,
        authentication_policy=SansIOHTTPPolicy(),  # tokens never go over plain HTTP
    )


def id_of(props: Props) -> str:
    return (
        f"/subscriptions/{props['subscription_id']}/resourceGroups/{props['resource_group']}/providers/"
        f"Microsoft.MachineLearningServices/workspaces/{props['workspace']}/onlineEndpoints/{props['endpoint']}/traffic"
    )


def weights(props: Props) -> dict[str, dict[str, int]] | None:
    """What is set now; None when the endpoint is gone."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        found = client(props).online_endpoints.get(*_place(props))
    except ResourceNotFoundError:
        return None
    return {"traffic": dict(found.properties.traffic or {}), "mirror": dict(found.properties.mirror_traffic or {})}


def set_weights(props: Props, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
    """Set them all in one request, everything else of the endpoint as it is. An endpoint that is gone has none."""
    from azure.core.exceptions import ResourceNotFoundError

    api = client(props)
    try:
        found = api.online_endpoints.get(*_place(props))
    except ResourceNotFoundError:
        if not traffic:
            return
        raise
    found.properties.traffic = dict(traffic)
    found.properties.mirror_traffic = dict(mirror)
    api.online_endpoints.begin_create_or_update(*_place(props), body=found).result()


def _place(props: Props) -> tuple[str, str, str]:
    return props["resource_group"], props["workspace"], props["endpoint"]
