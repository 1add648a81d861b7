"""What only Azure has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.specs import Spec


class AzureSettings(Spec):
    subscription_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")] | None = (
        Field(None, description="a UUID; default: the credentials' own")
    )
    resource_group: str | None = Field(None, max_length=90, description="an existing one to use instead of a new one")
