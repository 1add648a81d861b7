"""What the user brings is used, neither made nor removed (tier: rehearsed, by the real engine)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.rehearsal import bed as beds
from infra.stackfile import StackFile

PROJECT = Path(__file__).parents[2]
AWS = {
    "vpc_id": "vpc-0aaaaaaaaaaaaaaaa",
    "private_subnet_ids": ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2"],
    "kms_key_arn": "arn:aws:kms:us-east-1:123456789012:key/11111111-1111-1111-1111-111111111111",
    "data_bucket": "brought-data",
}


@pytest.mark.parametrize(
    ("stack", "existing", "never"), [("aws-dev", AWS, ("aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"))]
)
def test_what_is_brought_is_used_and_stays(
    stack: str, existing: dict[str, Any], never: tuple[str, ...], tmp_path: Path
) -> None:
    name = f"Pulumi.{stack}.yaml"
    shutil.copy(PROJECT / "stacks" / name, tmp_path / name)
    file = StackFile.read(tmp_path / name)
    file.set(f"config.skywright:{stack.split('-')[0]}.existing", existing)
    file.write()
    with beds.made(PROJECT, tmp_path / name, tmp_path / "bed") as bed:
        bed.engine.up()
        declared = {item["type"] for item in bed.engine.export()["deployment"]["resources"]}
        assert not declared & set(never)
        assert set(bed.engine.preview().changes) == {"same"}
        bed.engine.unprotect()
        bed.engine.destroy()
        for id in beds.brought(bed.settings.own):
            assert bed.account.get("*", id) is not None, id
