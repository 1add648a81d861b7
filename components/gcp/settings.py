"""What only Google Cloud has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.specs import Spec


class GcpSettings(Spec):
    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")] | None = Field(
        None, description="project id; default: the credentials' own"
    )
