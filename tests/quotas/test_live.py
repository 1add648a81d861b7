"""Whatever a cloud does, the review gets its answer in time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pytest

from infra import quotas
from infra.quotas import live
from infra.quotas.deadline import Late, within
from policies.quota import Limit, check
from policies.quota.model import of_quota
from tests.quotas.loopback import Service

EIP = of_quota("aws", "ec2", "EC2-VPC Elastic IPs", 3, "nat")
NETWORKS = of_quota("gcp", "compute", "NETWORKS", 1, "vpc")


def reader(monkeypatch: pytest.MonkeyPatch, limits: Any) -> None:
    module = type("Reader", (), {"limits": staticmethod(limits)})
    monkeypatch.setattr(quotas.importlib, "import_module", lambda _: module)


def test_a_reader_gets_its_own_clouds_demands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    reader(
        monkeypatch, lambda region, demands, account: asked.append((region, demands, account)) or {EIP.key: Limit(9)}
    )
    assert live("aws", "eu-west-1", [EIP, NETWORKS], account="1") == {EIP.key: Limit(9)}
    assert asked == [("eu-west-1", [EIP], "1")]


@pytest.mark.parametrize(
    ("cloud", "region"), [("kubernetes", "dc"), ("local", None), ("aws", None), ("azure", "westeurope")]
)
def test_nothing_is_asked_where_there_is_nothing_to_know(
    cloud: str, region: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader(monkeypatch, None)
    assert live(cloud, region, [EIP]) == {}


def test_a_reader_that_breaks_falls_back_to_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("a\nbug")

    reader(monkeypatch, breaks)
    (line,) = check([EIP], live("aws", "eu-west-1", [EIP]))
    assert (line.limit, line.basis.value, line.note) == (5, "published default", "not read: a bug")


def test_a_reader_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    reader(monkeypatch, lambda *_, **__: time.sleep(5))
    began = time.monotonic()
    found = live("aws", "eu-west-1", [EIP], deadline_s=0.2)
    assert found == {EIP.key: Limit(None, "aws gave no quotas within 0.2 s")}
    assert time.monotonic() - began < 2


def test_a_call_gives_back_what_it_returns_or_raises() -> None:
    assert within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
    with pytest.raises(Late):
        within(0.05, lambda: time.sleep(1))


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_a_metadata_server_that_hangs_holds_up_neither_the_answer_nor_the_exit(cloud: str, service: Service) -> None:
    service.delay_s = 60
    place = service.url.removeprefix("http://")
    demand = {"aws": EIP, "gcp": NETWORKS, "azure": of_quota("azure", "network", "Virtual networks", 1, "vnet")}[cloud]
    code = (
        "from infra.quotas import live; from policies.quota.model import of_quota\n"
        f"d = of_quota({cloud!r}, {demand.service!r}, {demand.name!r}, 1, 'x')\n"
        f"print(live({cloud!r}, 'r-1', [d], deadline_s=6)[d.key].note)"
    )
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "PYTHONPATH", "LANG")}
    environ = {
        **kept, "HOME": "/nonexistent", "GCE_METADATA_HOST": place, "GCE_METADATA_IP": place,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": service.url, "AZURE_POD_IDENTITY_AUTHORITY_HOST": service.url,
        "NO_PROXY": "*", "AZURE_SUBSCRIPTION_ID": "s",
    }  # fmt: skip
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr[-800:]
    assert len(done.stdout.strip().splitlines()) == 1
    assert time.monotonic() - began < 30
