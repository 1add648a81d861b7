"""Renewing the catalogue, against servers that behave like the three price interfaces."""

from __future__ import annotations

import csv
import shutil
import socket
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import catalog.prices
from infra.prices.fetching import Http
from infra.prices.refresh import CHANGES, Outcome, refresh
from infra.prices.sources import AwsPriceList, AzureRetail, GcpCatalog, Source
from tests.policies.cost.interfaces import Answer, azure_item, offer_file, page, serving, sku

TODAY = date(2026, 12, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the catalogue with few rows."""
    home = Path(str(catalog.prices.__file__)).parent
    for cloud, kept in (
        ("aws", ("m5.large,,,2,8,us-east-1", "m5.large,,,2,8,eu-west-1", "g4dn.xlarge,T4,1,4,16,us-east-1")),
        ("gcp", ("e2-standard-4,,,4,16,us-central1", "e2-micro,,,2,1,us-central1", ",T4,2,")),
        ("azure", ("Standard_NC4as_T4_v3,T4,1,4,28,eastus,", "Standard_D4s_v5,,,4,16,eastus,")),
    ):
        lines = (home / f"instances-{cloud}.csv").read_text().splitlines()
        found = [line for line in lines[1:] if line.startswith(kept) and "us-east4" not in line]
        (tmp_path / f"instances-{cloud}.csv").write_text("\n".join([lines[0], *found]) + "\n")
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def row(path: Path, machine: str, region: str) -> dict[str, str]:
    return next(item for item in rows(path) if (item["instance_type"], item["region"]) == (machine, region))


def run(folder: Path, cloud: str, source: Source) -> Outcome:
    (outcome,) = refresh(folder, {cloud: source}, today=TODAY)
    return outcome


def test_amazons_offer_files_renew_on_demand_and_leave_spot_with_its_own_source(folder: Path) -> None:
    asked = []

    def answer(path: str, parameters: dict[str, str], headers: dict[str, str]) -> Answer:
        asked.append(path)
        return 200, offer_file({"m5.large": "0.1", "g4dn.xlarge": "0.526", "x9.strange": "1"})

    with serving(answer) as url:
        outcome = run(folder, "aws", AwsPriceList(Http(), endpoint=url))
    assert outcome == Outcome("aws", "renewed", 3, 2)
    assert asked == [f"/offers/v1.0/aws/AmazonEC2/current/{region}/index.csv" for region in ("eu-west-1", "us-east-1")]
    renewed = row(folder / "instances-aws.csv", "m5.large", "us-east-1")
    assert (renewed["on_demand_usd_per_hour"], renewed["source_date"]) == ("0.1", "2026-12-01")
    assert renewed["source"].startswith("AWS Price List, AmazonEC2; spot: skypilot-org/")
    changes = rows(folder / CHANGES)
    assert [(item["instance_type"], item["old"], item["new"], item["date"]) for item in changes] == [
        ("m5.large", "0.096", "0.1", "2026-12-01"), ("m5.large", "0.107", "0.1", "2026-12-01"),
    ]  # fmt: skip


def test_a_second_time_nothing_changes_and_the_record_grows_no_more(folder: Path) -> None:
    with serving(lambda *_: (200, offer_file({"m5.large": "0.1"}))) as url:
        source = AwsPriceList(Http(), endpoint=url)
        run(folder, "aws", source)
        first = (folder / "instances-aws.csv").read_bytes(), (folder / CHANGES).read_bytes()
        assert run(folder, "aws", source).status == "unchanged"
    assert ((folder / "instances-aws.csv").read_bytes(), (folder / CHANGES).read_bytes()) == first


def test_azures_pages_are_followed_and_give_spot_too(folder: Path) -> None:
    def answer(path: str, parameters: dict[str, str], headers: dict[str, str]) -> Answer:
        if "page" in parameters:
            spot = azure_item("Standard_NC4as_T4_v3", 0.1, sku_name="NC4as T4 v3 Spot")
            return page(Items=[spot], NextPageLink=None)
        assert "armRegionName eq 'eastus'" in parameters["$filter"]
        items = [
            azure_item("Standard_NC4as_T4_v3", 0.53), azure_item("Standard_D4s_v5", 0.192),
            azure_item("Standard_D4s_v5", 0.4, product="Virtual Machines DSv5 Series Windows"),
            azure_item("Standard_D4s_v5", 0.05, sku_name="D4s v5 Low Priority"), azure_item("Standard_Other", 7),
        ]  # fmt: skip
        return page(Items=items, NextPageLink=f"{home[0]}/api/retail/prices?page=2")

    home: list[str] = []
    with serving(answer) as url:
        home.append(url)
        outcome = run(folder, "azure", AzureRetail(Http(), endpoint=url))
    assert outcome.status == "renewed" and outcome.confirmed == 2
    renewed = row(folder / "instances-azure.csv", "Standard_NC4as_T4_v3", "eastus")
    assert renewed["on_demand_usd_per_hour"] == "0.53"
    assert {renewed[f"spot_usd_per_hour_{which}"] for which in ("min", "median", "max")} == {"0.1"}
    assert renewed["source"] == "Azure Retail Prices"


def test_googles_machines_are_the_sum_of_their_cores_and_memory(folder: Path) -> None:
    seen = []

    def answer(path: str, parameters: dict[str, str], headers: dict[str, str]) -> Answer:
        seen.append((path, parameters.get("key"), headers.get("x-goog-api-key")))
        if parameters.get("pageToken"):
            device = sku("Nvidia Tesla T4 GPU running in Americas", "OnDemand", 360_000_000, "us-central1")
            return page(skus=[device, sku("Nvidia L4 GPU running in Americas", "Commit1Yr", 1, "us-central1")])
        core = sku("E2 Instance Core running in Americas", "OnDemand", 22_000_000, "us-central1", "us-east1")
        ram = sku("E2 Instance Ram running in Americas", "OnDemand", 3_000_000, "us-central1")
        custom = sku("E2 Custom Instance Core running in Americas", "OnDemand", 900_000_000, "us-central1")
        return page(skus=[core, ram, custom], nextPageToken="more")

    with serving(answer) as url:
        outcome = run(folder, "gcp", GcpCatalog(Http(), "the-key", endpoint=url))
    assert outcome.status == "renewed"
    machine = row(folder / "instances-gcp.csv", "e2-standard-4", "us-central1")
    assert float(machine["on_demand_usd_per_hour"]) == pytest.approx(4 * 0.022 + 16 * 0.003)
    devices = next(item for item in rows(folder / "instances-gcp.csv")
                   if item["accelerator"] == "T4" and item["region"] == "us-central1")  # fmt: skip
    assert float(devices["on_demand_usd_per_hour"]) == pytest.approx(0.72)
    small = row(folder / "instances-gcp.csv", "e2-micro", "us-central1")
    assert "Cyclenerd" in small["source"]  # a share of a core: nobody said its price
    assert seen == [("/v1/services/6F81-5844-456A/skus", None, "the-key")] * 2  # the key stands in no address


def broken_answers() -> list[Any]:
    half = offer_file({"m5.large": "0.1"}).splitlines()[:5]
    return [
        pytest.param((503, "busy"), "answers 503", id="busy"),
        pytest.param((302, ""), "answers 302", id="redirect"),
        pytest.param((200, "<html>sign in</html>"), "no columns", id="a page"),
        pytest.param((200, "\n".join(half)), "no columns", id="cut off"),
        pytest.param((200, offer_file({})), "no price of any machine", id="empty"),
        pytest.param((200, offer_file({"m5.large": "0"})), "allowed: more than 0", id="free"),
        pytest.param((200, offer_file({"m5.large": "-1"})), "allowed: more than 0", id="negative"),
        pytest.param((200, offer_file({"m5.large": "nan"})), "allowed: more than 0", id="nan"),
        pytest.param((200, offer_file({"m5.large": "cheap"})), "not a number", id="words"),
        pytest.param((200, offer_file({"m5.large": "9.6"})), "more than 5 times", id="hundredfold"),
    ]


@pytest.mark.parametrize(("answer", "said"), broken_answers())
def test_nonsense_keeps_the_old_file_and_says_why(folder: Path, answer: Answer, said: str) -> None:
    before = (folder / "instances-aws.csv").read_bytes()
    with serving(lambda *_: answer) as url:
        outcome = run(folder, "aws", AwsPriceList(Http(), endpoint=url))
    assert outcome.status == "kept" and said in outcome.why and "\n" not in outcome.why
    assert (folder / "instances-aws.csv").read_bytes() == before
    assert not (folder / CHANGES).exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        f"instances-{name}.csv" for name in ("aws", "azure", "gcp")
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [("[]", "without Items"), ("{", "isn't JSON"), ('{"Items": 3}', "without Items"),
     ('{"Items": [], "NextPageLink": "http://elsewhere.example/x"}', "another host")],
)  # fmt: skip
def test_azures_nonsense_keeps_the_old_file(folder: Path, body: str, said: str) -> None:
    with serving(lambda *_: (200, body)) as url:
        outcome = run(folder, "azure", AzureRetail(Http(), endpoint=url))
    assert outcome.status == "kept" and said in outcome.why


def test_one_that_does_not_answer_keeps_nobody_else_from_renewing(folder: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{silent.getsockname()[1]}"  # bound, and not listening
        with serving(lambda *_: (200, offer_file({"m5.large": "0.1"}))) as url:
            sources: dict[str, Source] = {
                "gcp": GcpCatalog(Http(), ""),
                "azure": AzureRetail(Http(), endpoint=nobody),
                "aws": AwsPriceList(Http(), endpoint=url),
            }
            outcomes = {item.cloud: item for item in refresh(folder, sources, today=TODAY)}
    assert outcomes["aws"].status == "renewed"
    assert "doesn't answer" in outcomes["azure"].why
    assert "SKYWRIGHT_GCP_API_KEY" in outcomes["gcp"].why


def test_a_slow_interface_is_given_up(folder: Path) -> None:
    with socket.socket() as slow:
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        url = f"http://127.0.0.1:{slow.getsockname()[1]}"
        outcome = run(folder, "azure", AzureRetail(Http(read_s=0.2), endpoint=url))
    assert outcome.status == "kept" and "ReadTimeout" in outcome.why


def test_a_write_that_fails_leaves_the_old_file_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "instances-aws.csv").read_bytes()

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("infra.prices.refresh.os.fsync", full)
    with serving(lambda *_: (200, offer_file({"m5.large": "0.1"}))) as url, pytest.raises(OSError, match="no space"):
        run(folder, "aws", AwsPriceList(Http(), endpoint=url))
    assert (folder / "instances-aws.csv").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_a_renewed_file_is_still_a_catalogue(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalog.prices import lines

    with serving(lambda *_: (200, offer_file({"m5.large": "0.1"}))) as url:
        run(folder, "aws", AwsPriceList(Http(), endpoint=url))
    shutil.copy(folder / "instances-aws.csv", folder / "copy.csv")
    monkeypatch.setattr(lines, "files", lambda _: folder)
    assert lines.newest("instances-aws.csv") == TODAY
