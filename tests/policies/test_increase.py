"""What an update may add to the month's cost is asked before it begins."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import UserError
from infra.reviewing import need_small_increase
from infra.settings import Settings, from_file
from tests.graph.harness import STACKS


def state(*counts: tuple[str, int]) -> dict[str, Any]:
    """A stack's export with so many instances of a type."""
    token = "aws:ec2/instance:Instance"
    return {
        "version": 3,
        "deployment": {
            "resources": [
                {"type": token, "urn": f"urn:pulumi:s::skywright::{token}::{kind}-{number}", "custom": True,
                 "inputs": {"instanceType": kind, "ami": "ami-0"}}
                for kind, count in counts
                for number in range(count)
            ]
        },
    }  # fmt: skip


def capped(percent: int | None, stack: str = "aws-prod") -> Settings:
    settings = from_file(STACKS / f"Pulumi.{stack}.yaml")
    review = settings.review.model_copy(update={"max_increase_percent": None if percent is None else Decimal(percent)})
    return settings.model_copy(update={"review": review})


def test_a_change_that_adds_more_than_its_cap_is_refused_in_production_alone() -> None:
    small = state(("m5.2xlarge", 1))
    with pytest.raises(UserError, match=r"the change adds .* max_increase_percent is 10\. Most of it: "):
        need_small_increase(capped(10), Path(), small)
    need_small_increase(capped(10, "aws-dev"), Path(), small)
    need_small_increase(capped(1_000_000), Path(), small)
    need_small_increase(capped(None), Path(), small)


def test_a_first_update_and_one_that_takes_away_are_no_increase() -> None:
    need_small_increase(capped(10), Path(), state())
    need_small_increase(capped(10), Path(), state(("p4d.24xlarge", 20)))
