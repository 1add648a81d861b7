"""The contracts that launchers are tested with are those which the example stacks export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.settings import from_file
from tests.graph.harness import STACKS, declare

KEPT = Path(__file__).parents[1] / "ml_jobs" / "launch" / "stacks"
NAMES = ("aws-prod", "aws-cluster", "gcp-prod", "azure-prod", "kubernetes-prod")


def exported(stack: str) -> str:
    contract = declare(from_file(STACKS / f"Pulumi.{stack}.yaml")).contract
    return json.dumps(contract, indent=1, sort_keys=True) + "\n"


@pytest.mark.parametrize("stack", NAMES)
def test_a_kept_contract_is_what_the_stack_exports(stack: str) -> None:
    """To write them anew: `python -m tests.graph.test_contracts`."""
    assert (KEPT / f"{stack}.json").read_text() == exported(stack)


if __name__ == "__main__":
    for name in NAMES:
        (KEPT / f"{name}.json").write_text(exported(name))
