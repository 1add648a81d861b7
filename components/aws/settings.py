"""What only AWS has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.specs import Spec


class AwsSettings(Spec):
    account_id: Annotated[str, Field(pattern=r"^\d{12}$")] | None = Field(
        None, description="12 digits in quotes; credentials of another account are refused"
    )
