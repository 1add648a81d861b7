"""What a stack's owner lets it cost. What the security owner demands stands in policies/enforcement.yaml."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from components.specs import Spec


class ReviewSettings(Spec):
    """Caps that stop a preview where the rules cost-within-cap and cost-increase-within-cap are mandatory."""

    max_monthly_usd: Decimal | None = Field(None, gt=0, description="USD of a month, by the review's estimate")
    max_increase_percent: Decimal | None = Field(
        None, gt=0, description="what one change may add to the month, against what is deployed"
    )
