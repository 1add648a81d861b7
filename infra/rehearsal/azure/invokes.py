"""What programs ask Azure: answers in the form of azure-native's functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.rehearsal.core.cloud import Asked, Invoke

CLIENT = "00000000-0000-4000-8000-000000000001"
OBJECT = "00000000-0000-4000-8000-000000000002"


def _client(asked: Asked) -> Mapping[str, Any]:
    return {
        "clientId": CLIENT,
        "objectId": OBJECT,
        "subscriptionId": asked.facts["subscription"],
        "tenantId": asked.facts["tenant"],
    }


INVOKES: dict[str, Invoke] = {
    "azure-native:authorization:getClientConfig": _client,
}
