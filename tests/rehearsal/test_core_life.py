"""The life of a small AWS stack on the real engine, which takes the stand-in for its provider."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.engine.run import Engine, EngineFailed
from infra.rehearsal.core import evidence, launch
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.faults import Fault

PROGRAM = """
    import json
    import os
    import pulumi
    import pulumi_aws as aws

    number = os.environ.get("NUMBER", "1")
    zones = aws.get_availability_zones_output(state="available").names
    vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", tags={"owner": "tests", "number": number})
    aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block=f"10.0.{number}.0/24", availability_zone=zones[0])
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    key = aws.kms.Key(
        "key",
        enable_key_rotation=True,
        policy=vpc.id.apply(lambda _: json.dumps({"Version": "2012-10-17", "Statement": [statement]})),
    )
    bucket = aws.s3.Bucket("data", tags={"owner": "tests"})
    pulumi.export("key", key.arn.apply(lambda arn: arn.split("/")[1]))
    pulumi.export("bucket", bucket.arn)
"""


class Stack:
    def __init__(self, folder: Path, program: str = PROGRAM) -> None:
        self.folder = folder / "project"
        (self.folder / "program").mkdir(parents=True)
        (self.folder / "Pulumi.yaml").write_text(
            "name: scratch\nmain: program\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n"
        )
        (self.folder / ".venv").symlink_to(sys.prefix)
        (self.folder / "program" / "__main__.py").write_text(textwrap.dedent(program))
        self.account = Account(folder / "account")
        launch.put(folder / "bin", clouds=["aws"])
        self.environ = {**launch.variables(self.account), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
                        "AWS_REGION": "eu-west-1"}  # fmt: skip

    def engine(self, number: int = 1) -> Engine:
        environ = {**self.environ, "NUMBER": str(number)}
        return Engine(self.folder, "test", environ=environ, has_policies=False, is_offline=True)


def steps(outcome: Any) -> set[tuple[str, str]]:
    passive = {"same", "refresh", "read"}
    return {(step.name, step.op) for step in outcome.steps if step.op not in passive}


def test_a_stack_comes_stays_changes_drifts_and_goes(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    assert stack.engine().preview().changes["create"] == 5
    assert stack.account.objects() == []
    stack.engine().up()
    outputs = stack.engine().outputs()
    assert len(outputs["key"]) == 36 and outputs["bucket"].startswith("arn:aws:s3:::data-")
    assert {found.tier for found in evidence.last(stack.account)} == {"accepted"}
    assert stack.engine().up().is_unchanged

    changed = steps(stack.engine(2).up())
    assert ("vpc", "update") in changed and ("subnet", "replace") in changed
    assert {name for name, _ in changed} <= {"vpc", "subnet"}

    assert stack.account.drift() == "tags.number of vpc changed by hand"
    assert stack.engine(2).refresh().changes["update"] == 1
    assert steps(stack.engine(2).up()) == {("vpc", "update")}
    assert stack.engine(2).refresh().is_unchanged

    stack.engine(2).destroy()
    assert stack.account.objects() == []


def test_an_interrupted_up_is_recovered_with_one_of_each(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    struck = stack.account.faults.plan(Fault("crash", type="aws:ec2/vpc"))
    with pytest.raises(EngineFailed):
        stack.engine().up()
    assert struck.struck() == "vpc (aws:ec2/vpc:Vpc)"
    stack.account.faults.clear()
    stack.engine().up()
    assert stack.account.doubled() == [] and len(stack.account.objects()) == 4
    assert stack.engine().up().is_unchanged


FILES = """
    import pulumi
    import pulumi_aws as aws

    code = pulumi.AssetArchive({"a.py": pulumi.FileAsset("a.txt"), "b.py": pulumi.StringAsset("x = 1")})
    aws.lambda_.Function("actor", role="arn:aws:iam::123456789012:role/actor", handler="a.b", code=code)
    aws.s3.BucketObjectv2("object", bucket="b", source=pulumi.FileAsset("a.txt"))
"""


def test_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    stack = Stack(tmp_path, FILES)
    stack.environ |= launch.variables(stack.account, is_strict=False)
    file = stack.folder / "program" / "a.txt"
    file.write_text("one")
    stack.engine().up()
    assert stack.engine().up().is_unchanged
    assert stack.engine().refresh().is_unchanged
    file.write_text("two")
    assert steps(stack.engine().up()) == {("actor", "update"), ("object", "update")}


def test_a_stand_in_ends_when_the_engine_asks_and_with_whoever_started_it(tmp_path: Path) -> None:
    launch.put(tmp_path / "bin", clouds=["aws"])
    environ = {**os.environ, **launch.variables(Account(tmp_path / "account"))}
    command = f"{tmp_path / 'bin' / 'pulumi-resource-aws'} 127.0.0.1:1 & echo $!; wait"
    for ends in ("asked", "left"):
        with subprocess.Popen(["sh", "-c", command], env=environ, stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            stand_in = psutil.Process(int(parent.stdout.readline()))
            assert int(parent.stdout.readline()) > 1024  # its port: it is up
            if ends == "asked":
                stand_in.send_signal(signal.SIGINT)
            else:
                parent.kill()
            # The engine kills after five seconds, and every run would take that much longer.
            psutil.wait_procs([stand_in], timeout=4)
            assert not stand_in.is_running() or stand_in.status() == psutil.STATUS_ZOMBIE


def test_what_is_noted_for_an_account_is_ended_with_it(tmp_path: Path) -> None:
    account = Account(tmp_path)
    with subprocess.Popen(["sleep", "600"]) as left, subprocess.Popen(["sleep", "600"]) as another:
        launch.note(account, left.pid)
        launch.end(account)
        assert left.wait(timeout=10) != 0 and another.poll() is None
        another.kill()


def test_what_the_cloud_refuses_is_told_in_its_words_and_nothing_is_created(tmp_path: Path) -> None:
    stack = Stack(tmp_path, 'import pulumi_aws as aws\n\naws.ec2.Vpc("vpc", cidr_block="10.0.0.0/8")\n')
    with pytest.raises(EngineFailed, match=r"InvalidVpc\.Range: The CIDR '10\.0\.0\.0/8' is invalid"):
        stack.engine().up()
    assert stack.account.objects() == []
