"""AWS's budget actor, every request held by botocore's own models before an account in memory answers it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import botocore.loaders
import botocore.model
import botocore.validate
from botocore import xform_name

from ml_jobs.budget import aws as actor

NOVEMBER, DECEMBER = 1_762_000_000.0, 1_764_600_000.0
DENY = "arn:aws:iam::123456789012:policy/deny-training"
STEPS = [
    {"percent": 50, "effect": "notify"},
    {"percent": 80, "effect": "block_new"},
    {"percent": 100, "effect": "stop_spot"},
    {"percent": 120, "effect": "scale_to_zero"},
]
ENVIRON = {
    "SKYWRIGHT_STACK": "dev",
    "SKYWRIGHT_ACCOUNT": "123456789012",
    "SKYWRIGHT_BUDGET": "skywright-dev",
    "SKYWRIGHT_LIMIT_USD": "100.0",
    "SKYWRIGHT_STEPS": json.dumps(STEPS),
    "SKYWRIGHT_STATE": "artifacts/skywright/budget/state.json",
    "SKYWRIGHT_DENY_POLICY": DENY,
    "SKYWRIGHT_DENIED_ROLES": json.dumps(["training", "pipeline"]),
    "SKYWRIGHT_JOB_PREFIX": "skywright-dev",
    "SKYWRIGHT_ENDPOINT": "predict",
    "SKYWRIGHT_SCALABLE": json.dumps([["v1", 2, 10]]),
}


class Gone(Exception):
    pass


class Account:
    """What is spent, whom the policy is attached to, which jobs run, the bounds of each variant."""

    def __init__(self) -> None:
        self.spent = "0"
        self.attached: set[str] = set()
        self.jobs = {"skywright-dev-a": True, "skywright-dev-b": False, "skywright-development-c": True}
        self.stopped: list[str] = []
        self.bounds = {"v1": (3, 7)}  # people have set them since
        self.stored: dict[str, bytes] = {}
        self.metrics: list[dict[str, Any]] = []

    def client(self, service: str) -> Any:
        loaded = botocore.loaders.Loader().load_service_model(service, "service-2")
        model = botocore.model.ServiceModel(loaded, service)
        operations = {xform_name(name): name for name in model.operation_names}
        account = self

        class Client:
            exceptions = SimpleNamespace(NoSuchKey=Gone, NoSuchEntityException=Gone)

            def __getattr__(self, name: str) -> Any:
                shape = model.operation_model(operations[name]).input_shape

                def call(**given: Any) -> Any:
                    found = botocore.validate.ParamValidator().validate(given, shape)
                    assert not found.has_errors(), found.generate_report()
                    return getattr(account, name)(**given)

                return call

            def get_paginator(self, name: str) -> Any:
                return SimpleNamespace(paginate=lambda **given: iter([getattr(self, name)(**given)]))

        return Client()

    def describe_budget(self, **_: Any) -> Any:
        return {"Budget": {"CalculatedSpend": {"ActualSpend": {"Amount": self.spent, "Unit": "USD"}}}}

    def put_metric_data(self, *, MetricData: list[dict[str, Any]], **_: Any) -> None:
        self.metrics += MetricData

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        if Key not in self.stored:
            raise Gone
        return {"Body": io.BytesIO(self.stored[Key])}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self.stored[Key] = Body

    def attach_role_policy(self, *, RoleName: str, PolicyArn: str) -> None:
        assert PolicyArn == DENY
        self.attached.add(RoleName)

    def detach_role_policy(self, *, RoleName: str, PolicyArn: str) -> None:
        if RoleName not in self.attached:
            raise Gone
        self.attached.remove(RoleName)

    def list_training_jobs(self, *, NameContains: str, StatusEquals: str) -> Any:
        names = [name for name in self.jobs if NameContains in name and name not in self.stopped]
        return {"TrainingJobSummaries": [{"TrainingJobName": name} for name in names]}

    def describe_training_job(self, *, TrainingJobName: str) -> Any:
        return {"EnableManagedSpotTraining": self.jobs[TrainingJobName]}

    def stop_training_job(self, *, TrainingJobName: str) -> None:
        self.stopped.append(TrainingJobName)

    def register_scalable_target(self, *, ResourceId: str, MinCapacity: int, MaxCapacity: int, **_: Any) -> None:
        assert ResourceId.startswith("endpoint/predict/variant/")
        self.bounds[ResourceId.rsplit("/", 1)[1]] = (MinCapacity, MaxCapacity)

    def look(self, spent: float, now: float = NOVEMBER) -> dict[str, Any]:
        self.spent = str(spent)
        return actor.run(ENVIRON, clients=self.client, now=now)


def effects(account: Account, *spent: float) -> Iterator[list[str]]:
    for amount in spent:
        yield account.look(amount)["effects"]


def test_each_step_adds_its_act_and_the_state_says_so() -> None:
    account = Account()
    assert list(effects(account, 10, 50, 80, 100, 120)) == [
        [], [], ["block_new"], ["block_new", "stop_spot"], ["block_new", "stop_spot", "scale_to_zero"],
    ]  # fmt: skip
    assert json.loads(account.stored["skywright/budget/state.json"])["effects"][-1] == "scale_to_zero"


def test_below_the_first_step_nothing_of_what_people_have_set_is_changed() -> None:
    account = Account()
    account.attached.add("training")
    account.look(10)
    assert (account.attached, account.bounds["v1"], account.stopped) == ({"training"}, (3, 7), [])


def test_new_training_is_denied_to_both_roles_and_allowed_again_in_the_next_month() -> None:
    account = Account()
    account.look(85)
    assert account.attached == {"training", "pipeline"}
    account.look(85)
    assert account.attached == {"training", "pipeline"}
    account.look(1, DECEMBER)
    assert account.attached == set()


def test_a_policy_that_somebody_took_off_by_hand_is_no_error_when_the_step_ends() -> None:
    account = Account()
    account.look(85)
    account.attached.clear()
    account.look(1, DECEMBER)
    assert account.attached == set()


def test_only_this_stacks_spot_jobs_are_stopped() -> None:
    account = Account()
    account.look(100)
    assert account.stopped == ["skywright-dev-a"]


def test_endpoints_fall_to_one_instance_and_get_their_declared_bounds_back() -> None:
    account = Account()
    account.look(120)
    assert account.bounds["v1"] == (1, 1)
    account.look(2, DECEMBER)
    assert account.bounds["v1"] == (2, 10)


def test_a_step_that_somebody_released_is_taken_back_and_stays_so() -> None:
    account = Account()
    state = account.look(85)
    state["standings"]["80"]["released_at"] = NOVEMBER
    account.stored["skywright/budget/state.json"] = json.dumps(state).encode()
    assert account.look(86)["effects"] == []
    assert account.attached == set()


def test_every_look_reports_the_share_that_is_spent() -> None:
    account = Account()
    account.look(42)
    (metric,) = account.metrics
    assert (metric["MetricName"], metric["Value"]) == ("SpendRatio", 0.42)
    assert metric["Dimensions"] == [{"Name": "Stack", "Value": "dev"}]
