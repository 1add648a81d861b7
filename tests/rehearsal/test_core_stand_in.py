"""A stand-in asked as the engine asks it, in this process: what exists, what is refused, what strikes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue

from infra.rehearsal.aws.stand_in import make
from infra.rehearsal.core import evidence, provider
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.faults import Fault
from infra.rehearsal.core.judge import Refused
from infra.rehearsal.core.provider import StandIn
from infra.rehearsal.core.values import UNKNOWN, plain, secret_keys, wire

T = TypeVar("T")

VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
BUCKET, ALIAS = "aws:s3/bucket:Bucket", "aws:kms/alias:Alias"


def now(asked: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` would take the main thread's loop away from the tests that need one."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asked)
    finally:
        loop.close()


class Asking:
    """One provider process: asks a stand-in as the engine would."""

    def __init__(self, account: Account, *, is_strict: bool = True) -> None:
        self.stand_in: StandIn = make(account, is_strict=is_strict)
        now(self.stand_in.configure(api.ConfigureRequest({}, wire({"region": "eu-west-1"}), True, True)))

    def check(self, token: str, name: str, seed: bytes = b"1", olds: Any = None, **inputs: Any) -> api.CheckResponse:
        request = api.CheckRequest(urn(token, name), wire(olds or {}), wire(inputs), seed)
        return now(self.stand_in.check(request))

    def create(self, token: str, name: str, *, is_preview: bool = False, **inputs: Any) -> tuple[str, dict[str, Any]]:
        request = api.CreateRequest(urn(token, name), wire(inputs), 0, is_preview)
        made = now(self.stand_in.create(request))
        return str(made.resource_id), plain(made.properties)

    def diff(self, token: str, name: str, id: str, olds: Any, news: Any, *ignored: str) -> api.DiffResponse:
        request = api.DiffRequest(urn(token, name), id, wire(olds), wire(news), list(ignored))
        return now(self.stand_in.diff(request))

    def update(self, token: str, name: str, id: str, olds: Any, **news: Any) -> dict[str, Any]:
        request = api.UpdateRequest(urn(token, name), id, wire(olds), wire(news), 0, [], False)
        return plain(now(self.stand_in.update(request)).properties)

    def read(self, token: str, name: str, id: str) -> api.ReadResponse:
        return now(self.stand_in.read(api.ReadRequest(urn(token, name), id, {}, {})))

    def delete(self, token: str, name: str, id: str) -> None:
        now(self.stand_in.delete(api.DeleteRequest(urn(token, name), id, {}, 0)))


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:dev::p::skywright:aws:Network${token}::{name}"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


@pytest.fixture
def aws(account: Account) -> Asking:
    return Asking(account)


def test_every_output_has_a_value_of_its_form(aws: Asking) -> None:
    vpc_id, vpc = aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16", tags={"a": "b"})
    assert vpc_id.startswith("vpc-") and len(vpc_id) == 21
    assert vpc["arn"] == f"arn:aws:ec2:eu-west-1:123456789012:vpc/{vpc_id}"
    assert vpc["defaultRouteTableId"] == vpc["mainRouteTableId"]
    declared = aws.stand_in.cloud.own_sdk().declared(VPC)
    assert declared is not None and declared.outputs.required <= vpc.keys()
    assert vpc["tagsAll"] == {"a": "b"} and not any(key.startswith("__") for key in vpc)


def test_a_preview_creates_nothing_and_what_is_computed_is_unknown(aws: Asking, account: Account) -> None:
    identifier, made = aws.create(VPC, "vpc", is_preview=True, cidrBlock="10.0.0.0/16")
    assert (identifier, made["arn"], made["cidrBlock"]) == ("", UNKNOWN, "10.0.0.0/16")
    assert account.objects() == []


def test_secrets_stay_secret(aws: Asking) -> None:
    given = {"cidrBlock": PropertyValue("10.0.0.0/16").with_secret(True)}
    checked = now(aws.stand_in.check(api.CheckRequest(urn(VPC, "vpc"), {}, given, b"1")))
    assert secret_keys(checked.inputs or {}) == {"cidrBlock"}
    made = now(aws.stand_in.create(api.CreateRequest(urn(VPC, "vpc"), given, 0, False)))
    assert "cidrBlock" in secret_keys(made.properties)


def test_names_are_made_up_stable_and_within_their_limits(aws: Asking) -> None:
    first = plain(aws.check(BUCKET, "Data" + "x" * 80).inputs or {})
    assert first["bucket"] == first["bucket"].lower() and len(first["bucket"]) == 63
    again = plain(aws.check(BUCKET, "Data" + "x" * 80, b"2", olds=first).inputs or {})
    assert again["bucket"] == first["bucket"]
    replacement = plain(aws.check(BUCKET, "Data" + "x" * 80, b"2").inputs or {})
    assert replacement["bucket"] != first["bucket"]
    assert plain(aws.check(BUCKET, "data", bucket="mine").inputs or {})["bucket"] == "mine"


def test_what_is_referred_to_must_exist(aws: Asking, account: Account) -> None:
    with pytest.raises(Refused, match=r"vpcId: .*vpc-0000 does not exist"):
        aws.create(SUBNET, "subnet", vpcId="vpc-0000", cidrBlock="10.0.0.0/24")
    account.bring("*", "vpc-0000")
    aws.create(SUBNET, "subnet", vpcId="vpc-0000", cidrBlock="10.0.0.0/24")
    assert [item.token for item in account.objects()] == [SUBNET]


def test_names_are_taken_once(aws: Asking) -> None:
    aws.create(BUCKET, "one", bucket="the-bucket")
    with pytest.raises(Refused, match="BucketAlready"):
        aws.create(BUCKET, "two", bucket="the-bucket")


def test_subnets_lie_in_their_network_and_never_on_each_other(aws: Asking) -> None:
    vpc_id, _ = aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16")
    aws.create(SUBNET, "a", vpcId=vpc_id, cidrBlock="10.0.0.0/20")
    with pytest.raises(Refused, match=r"InvalidSubnet\.Conflict"):
        aws.create(SUBNET, "b", vpcId=vpc_id, cidrBlock="10.0.8.0/24")
    with pytest.raises(Refused, match=r"InvalidSubnet\.Range"):
        aws.create(SUBNET, "b", vpcId=vpc_id, cidrBlock="10.1.0.0/24")


def test_what_others_need_can_not_be_deleted(aws: Asking, account: Account) -> None:
    vpc_id, _ = aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16")
    subnet_id, _ = aws.create(SUBNET, "a", vpcId=vpc_id, cidrBlock="10.0.0.0/20")
    with pytest.raises(Refused, match=f"DependencyViolation: Vpc {vpc_id} has dependencies .*Subnet {subnet_id}"):
        aws.delete(VPC, "vpc", vpc_id)
    aws.delete(SUBNET, "a", subnet_id)
    aws.delete(VPC, "vpc", vpc_id)
    assert account.objects() == []


@pytest.mark.parametrize(
    ("olds", "news", "ignored", "changes", "replaces"),
    [
        ({"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.0.0.0/16", "tags": {}}, (), False, []),
        ({"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.0.0.0/16", "enableDnsSupport": True}, (), True, []),
        ({"cidrBlock": "10.0.0.0/16", "tags": {"a": "b"}}, {"cidrBlock": "10.0.0.0/16"}, (), True, []),
        ({"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.1.0.0/16"}, (), True, ["cidrBlock"]),
        ({"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": UNKNOWN}, (), True, ["cidrBlock"]),
        ({"cidrBlock": "10.0.0.0/16", "tags": {"a": "b"}}, {"cidrBlock": "10.0.0.0/16"}, ("tags",), False, []),
    ],
)
def test_a_change_is_an_update_or_a_replacement(
    aws: Asking, olds: Any, news: Any, ignored: tuple[str, ...], changes: bool, replaces: list[str]
) -> None:
    found = aws.diff(VPC, "vpc", "vpc-1", olds, news, *ignored)
    assert (found.changes, found.replaces) == (changes, replaces)


def test_a_thing_with_a_name_of_its_own_goes_before_its_replacement_comes(aws: Asking) -> None:
    olds = {"bucket": "mine", "objectLockEnabled": False}
    assert aws.diff(BUCKET, "b", "mine", olds, {**olds, "objectLockEnabled": True}).delete_before_replace
    made_up = {**olds, "__defaults": ["bucket"]}
    assert not aws.diff(BUCKET, "b", "mine", made_up, {**made_up, "objectLockEnabled": True}).delete_before_replace


def test_an_update_keeps_the_id_and_what_was_computed(aws: Asking) -> None:
    vpc_id, made = aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16")
    changed = aws.update(VPC, "vpc", vpc_id, made, cidrBlock="10.0.0.0/16", enableDnsHostnames=True)
    assert changed["enableDnsHostnames"] is True
    assert {key: changed[key] for key in ("arn", "mainRouteTableId")} == {
        key: made[key] for key in ("arn", "mainRouteTableId")
    }


def test_what_changed_or_went_by_hand_is_read(aws: Asking, account: Account) -> None:
    vpc_id, _ = aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16", tags={"owner": "me"})
    assert account.drift() == "tags.owner of vpc changed by hand"
    read = aws.read(VPC, "vpc", vpc_id)
    assert plain(read.inputs)["tags"] == plain(read.properties)["tags"] == {"owner": "changed-by-hand"}
    assert account.remove_one() == f"vpc ({VPC})"
    assert not aws.read(VPC, "vpc", vpc_id).resource_id


def test_a_creation_that_nobody_heard_of_is_found_again(aws: Asking, account: Account) -> None:
    first, _ = aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16")
    later = Asking(account)  # a process that knows nothing of it
    again, made = later.create(VPC, "vpc", cidrBlock="10.0.0.0/16", enableDnsHostnames=True)
    assert (again, made["enableDnsHostnames"]) == (first, True)
    other = Asking(account)
    changed, _ = other.create(VPC, "vpc", cidrBlock="10.1.0.0/16")  # the old one can't become this
    assert changed != first and [item.id for item in account.objects()] == [changed]


def test_a_replacement_is_another_thing_than_what_it_replaces(aws: Asking, account: Account) -> None:
    olds, news = {"cidrBlock": "10.0.0.0/16"}, {"cidrBlock": "10.1.0.0/16"}
    first, _ = aws.create(VPC, "vpc", **olds)
    later = Asking(account)
    assert later.diff(VPC, "vpc", first, olds, news).replaces
    second, _ = later.create(VPC, "vpc", **news)
    assert second != first and account.doubled() == ["vpc"]
    later.delete(VPC, "vpc", first)
    assert account.doubled() == []


def test_throttling_and_slowness_cost_time_and_a_quota_refuses(aws: Asking, account: Account) -> None:
    plan = account.faults.plan(Fault("throttle", count=2), Fault("slow", seconds=0.01), Fault("quota", name="second"))
    aws.create(VPC, "first", cidrBlock="10.0.0.0/16")
    assert plan.struck() == ", ".join([f"first ({VPC})"] * 3)
    with pytest.raises(Refused, match="LimitExceededException: The maximum number of Vpc in eu-west-1"):
        aws.create(VPC, "second", cidrBlock="10.0.0.0/16")
    aws.create(VPC, "second", cidrBlock="10.0.0.0/16")  # it strikes once
    account.faults.clear()
    assert account.faults.planned() == ()


def test_a_request_that_is_throttled_for_good_fails_in_the_clouds_words(
    aws: Asking, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "RETRY_S", 0)
    account.faults.plan(Fault("throttle", count=1000))
    with pytest.raises(Refused, match="ThrottlingException: Rate exceeded"):
        aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16")


def test_a_fault_strikes_where_it_is_told_to() -> None:
    hit = Fault("crash", component="Network")
    assert hit.hits(urn(VPC, "vpc"), VPC)
    assert not Fault("crash", component="Net").hits(urn(VPC, "vpc"), VPC)
    assert not Fault("crash", type="aws:s3").hits(urn(VPC, "vpc"), VPC)
    with pytest.raises(ValueError, match="known: throttle"):
        Fault("flood")


def test_what_was_judged_is_kept_with_what_it_was_judged_by(aws: Asking, account: Account) -> None:
    aws.create(VPC, "vpc", cidrBlock="10.0.0.0/16", region="eu-west-1")
    (found,) = evidence.last(account)
    assert (found.tier, found.judge, found.carried) == ("accepted", "botocore ec2", ("cidrBlock",))
    assert "region" in found.reasons and found.unaccounted == ()


def test_without_strictness_nothing_is_refused_and_everything_has_its_outputs(account: Account) -> None:
    aws = Asking(account, is_strict=False)
    assert aws.check(SUBNET, "s", noSuchInput=1).failures == []
    _, made = aws.create(SUBNET, "s", vpcId="vpc-0000", noSuchInput=1)
    assert made["arn"].startswith("arn:aws:ec2:")
    token = "aws:workspaces/directory:Directory"  # no table has it
    identifier, made = aws.create(token, "d", subnetIds=["subnet-0000"])
    declared = aws.stand_in.cloud.own_sdk().declared(token)
    assert identifier and declared is not None and declared.outputs.required <= made.keys()
    assert made["iamRoleId"] and isinstance(made["dnsIpAddresses"], list)
    assert evidence.last(account) == []


def test_several_processes_share_an_account(tmp_path: Path) -> None:
    def fill(number: int) -> None:
        aws = Asking(Account(tmp_path))
        for index in range(10):
            aws.create(VPC, f"{number}-{index}", cidrBlock="10.0.0.0/16")

    workers = [threading.Thread(target=fill, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    made = Account(tmp_path).objects()
    assert len(made) == len({item.id for item in made}) == 40


def test_a_question_that_nothing_answers_says_where_to_add_it(aws: Asking) -> None:
    with pytest.raises(Refused, match=r"aws:acm/getCertificate.* nothing answers it; add it to .*aws/invokes\.py"):
        now(aws.stand_in.invoke(api.InvokeRequest("aws:acm/getCertificate:getCertificate", {})))
