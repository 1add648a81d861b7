"""Service Quotas held against botocore's own model of it: a request or an answer of another form fails here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.quotas import aws
from infra.quotas.aws import UNLISTED, UNSET
from policies.quota import Demand, Limit
from policies.quota.model import of_quota

REGION = "eu-west-1"
P_SPOT = of_quota("aws", "ec2", "All P Spot Instance Requests", 384, "pool")
EIP = of_quota("aws", "ec2", "EC2-VPC Elastic IPs", 3, "nat")
FARGATE = of_quota("aws", "fargate", "Fargate On-Demand vCPU resource count", 2, "pods")
G5 = of_quota("aws", "sagemaker", "ml.g5.xlarge for endpoint usage", 2, "endpoint")
M6I = of_quota("aws", "sagemaker", "ml.m6i.xlarge for endpoint usage", 2, "endpoint", unit="instances")
BUDGET = of_quota("aws", "budgets", "Number of budget actions per account", 1, "budget")


class Session:
    """boto3's, whose one client is stubbed."""

    def __init__(self) -> None:
        keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "x"}
        self.client_of: Any = boto3.client("service-quotas", region_name=REGION, **keys)
        self.stub = Stubber(self.client_of)

    def get_credentials(self) -> object:
        return object()

    def client(self, name: str, **more: Any) -> Any:
        assert (name, more["region_name"]) == ("service-quotas", REGION)
        assert more["config"].connect_timeout <= 5 and more["config"].read_timeout <= 10
        return self.client_of


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session()
    with made.stub:
        yield made
        made.stub.assert_no_pending_responses()


def quota(demand: Demand, value: float, code: str = "") -> dict[str, Any]:
    return {"ServiceCode": demand.service, "QuotaCode": code or demand.code, "QuotaName": demand.name, "Value": value}


def listed(service: str, **more: Any) -> dict[str, Any]:
    return {"ServiceCode": service, "MaxResults": 100, **more}


def read(session: Session, *demands: Demand) -> dict[str, Limit]:
    return aws.limits(REGION, demands, session=session)


def test_applied_values_over_all_pages_then_defaults_for_the_rest(session: Session) -> None:
    add = session.stub.add_response
    add("list_service_quotas", {"Quotas": [quota(EIP, 20)], "NextToken": "n"}, listed("ec2"))
    add("list_service_quotas", {"Quotas": []}, listed("ec2", NextToken="n"))
    add("list_aws_default_service_quotas", {"Quotas": [quota(EIP, 5), quota(P_SPOT, 64)]}, listed("ec2"))
    assert read(session, P_SPOT, EIP) == {EIP.key: Limit(20), P_SPOT.key: Limit(64, UNSET)}


def test_a_quota_without_a_known_code_is_found_by_its_name(session: Session) -> None:
    session.stub.add_response("list_service_quotas", {"Quotas": [quota(FARGATE, 140, "L-3032A538")]}, listed("fargate"))
    assert read(session, FARGATE) == {FARGATE.key: Limit(140)}


def test_sagemaker_is_asked_by_code_and_searched_only_for_what_has_none(session: Session) -> None:
    asked = {"ServiceCode": "sagemaker", "QuotaCode": G5.code}
    session.stub.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=asked)
    session.stub.add_response("get_aws_default_service_quota", {"Quota": quota(G5, 0)}, asked)
    session.stub.add_response("list_service_quotas", {"Quotas": []}, listed("sagemaker"))
    found = {"Quotas": [quota(M6I, 2, "L-11111111")]}
    session.stub.add_response("list_aws_default_service_quotas", found, listed("sagemaker"))
    assert read(session, G5, M6I) == {G5.key: Limit(0, UNSET), M6I.key: Limit(2, UNSET)}


def test_what_service_quotas_does_not_list_is_unknown(session: Session) -> None:
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        session.stub.add_response(operation, {"Quotas": []}, listed("ec2"))
    assert read(session, EIP, BUDGET) == {
        EIP.key: Limit(None, UNLISTED),
        BUDGET.key: Limit(None, "Service Quotas doesn't hold budgets"),
    }


def test_a_refusal_is_one_line_and_asked_once(session: Session) -> None:
    session.stub.add_client_error("get_service_quota", "AccessDeniedException")
    found = read(session, G5, M6I)
    assert {limit.note for limit in found.values()} == {"not read: sagemaker: AccessDeniedException"}
    assert all(limit.value is None for limit in found.values())


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda: None, "no credentials for aws"),
        (lambda: __import__("time").sleep(5), "no credentials within 0.2 s"),
    ],
)
def test_without_credentials_nothing_is_asked(
    broken: Callable[[], object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "CREDENTIALS_S", 0.2)
    session = Session()
    monkeypatch.setattr(session, "get_credentials", broken)
    assert said in read(session, EIP)[EIP.key].note


def test_an_endpoint_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x")):
        monkeypatch.setenv(name, value)
    note = aws.limits(REGION, [EIP], url="http://127.0.0.1:9")[EIP.key].note
    assert note.startswith("not read: Could not connect") and len(note) < 220
