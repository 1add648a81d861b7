"""The three public price interfaces, each as quotes for the machines that the catalogue knows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from infra.prices.fetching import Fetch, NoAnswer


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row of the catalogue: a machine, or on Google Cloud the accelerators beside one (`machine` empty)."""

    machine: str
    region: str
    accelerator: str = ""
    count: int = 0
    vcpus: float = 0
    memory_gib: float = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """USD per hour; None where the interface says nothing of it."""

    on_demand: float | None = None
    spot: float | None = None


class Source(Protocol):
    """`name` stands beside each price that it gave."""

    name: str

    def quotes(self, wanted: list[Wanted]) -> Mapping[Wanted, Quote]:
        """What it knows of them. Raises NoAnswer."""


class AwsPriceList:
    """EC2's regional offer files, as CSV: the same prices as their JSON, and readable line by line. No spot.

    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html: five lines of
    metadata, then the columns' names.
    """

    name = "AWS Price List, AmazonEC2"
    _KEPT: Mapping[str, str] = {
        "TermType": "OnDemand", "Currency": "USD", "Operating System": "Linux", "Tenancy": "Shared",
        "Pre Installed S/W": "NA", "CapacityStatus": "Used", "Unit": "Hrs",
    }  # fmt: skip

    def __init__(self, fetch: Fetch, *, endpoint: str = "https://pricing.us-east-1.amazonaws.com") -> None:
        self._fetch = fetch
        self._endpoint = endpoint

    def quotes(self, wanted: list[Wanted]) -> Mapping[Wanted, Quote]:
        found: dict[Wanted, Quote] = {}
        for region in sorted({item.region for item in wanted}):
            prices = dict(self._region(region, {item.machine for item in wanted if item.region == region}))
            found.update(
                {
                    item: Quote(prices[item.machine])
                    for item in wanted
                    if item.region == region and item.machine in prices
                }
            )
        return found

    def _region(self, region: str, machines: set[str]) -> Iterator[tuple[str, float]]:
        url = f"{self._endpoint}/offers/v1.0/aws/AmazonEC2/current/{region}/index.csv"
        lines = self._fetch.lines(url)
        for _ in range(5):
            next(lines, None)
        try:
            reader = csv.DictReader(lines)
            if missing := {*self._KEPT, "Instance Type", "PricePerUnit"} - set(reader.fieldnames or ()):
                raise NoAnswer(f"the offer file of {region} has no columns {', '.join(sorted(missing))}")
            for row in reader:
                if row["Instance Type"] in machines and all(row[key] == value for key, value in self._KEPT.items()):
                    yield row["Instance Type"], _number(row["PricePerUnit"])
        except csv.Error as error:
            raise NoAnswer(f"the offer file of {region} can't be read: {error}") from None


class AzureRetail:
    """https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices"""

    name = "Azure Retail Prices"

    def __init__(self, fetch: Fetch, *, endpoint: str = "https://prices.azure.com") -> None:
        self._fetch = fetch
        self._endpoint = endpoint

    def quotes(self, wanted: list[Wanted]) -> Mapping[Wanted, Quote]:
        found: dict[Wanted, Quote] = {}
        for region in sorted({item.region for item in wanted}):
            named = {item.machine: item for item in wanted if item.region == region}
            for item in self._items(region):
                if (row := named.get(_text(item, "armSkuName"))) is None or not _is_linux(item):
                    continue
                price, old = _number(item.get("retailPrice")), found.get(row, Quote())
                is_spot = "spot" in _text(item, "skuName").lower()
                found[row] = Quote(old.on_demand, price) if is_spot else Quote(price, old.spot)
        return found

    def _items(self, region: str) -> Iterator[dict[str, Any]]:
        url = f"{self._endpoint}/api/retail/prices"
        params = {
            "currencyCode": "USD",
            "$filter": "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
            f"and armRegionName eq '{region}'",
        }  # fmt: skip
        while url:
            page = self._fetch.json(url, params)
            if not isinstance(page, dict) or not isinstance(page.get("Items"), list):
                raise NoAnswer("prices.azure.com answers without Items")
            yield from (item for item in page["Items"] if isinstance(item, dict))
            url, params = str(page.get("NextPageLink") or ""), {}
            if url and urlsplit(url).netloc != urlsplit(self._endpoint).netloc:
                raise NoAnswer("prices.azure.com sends to another host for its next page")


def _is_linux(item: Mapping[str, Any]) -> bool:
    product, sku = _text(item, "productName"), _text(item, "skuName")
    return (
        item.get("currencyCode") == "USD"
        and item.get("unitOfMeasure") == "1 Hour"
        and not any(word in product for word in ("Windows", "Cloud Services", "CloudServices", "Dedicated Host"))
        and "Low Priority" not in sku
    )


class GcpCatalog:
    """Compute Engine's SKUs: a machine is its cores and its memory, accelerators stand apart. It wants an API key.

    https://cloud.google.com/billing/docs/reference/rest/v1/services.skus/list
    """

    name = "Google Cloud Billing Catalog"
    SERVICE = "services/6F81-5844-456A"
    _PART = re.compile(
        r"^(?:Spot Preemptible |Preemptible )?(N1 Predefined|N2D AMD|N2|E2|C3|G2|A2|A3) Instance (Core|Ram) "
    )
    _DEVICE = re.compile(r"^Nvidia (?:Tesla )?(T4|L4|V100|A100 80GB|A100|H100 80GB|H200 141GB) GPU ")
    _DEVICES: Mapping[str, str] = {"A100 80GB": "A100-80GB", "H100 80GB": "H100", "H200 141GB": "H200"}
    _SHARED = ("micro", "small", "medium")

    def __init__(self, fetch: Fetch, key: str, *, endpoint: str = "https://cloudbilling.googleapis.com") -> None:
        self._fetch = fetch
        self._key = key
        self._endpoint = endpoint

    def quotes(self, wanted: list[Wanted]) -> Mapping[Wanted, Quote]:
        if not self._key:
            raise NoAnswer("Google's price interface wants an API key: set SKYWRIGHT_GCP_API_KEY")
        units: dict[tuple[str, str, bool], float] = {}
        for sku in self._skus():
            for (name, is_spot), price in _parts(self, sku):
                for region in sku.get("serviceRegions") or []:
                    units[name, str(region), is_spot] = price
        made = {item: Quote(*(_sum(item, units, is_spot) for is_spot in (False, True))) for item in wanted}
        return {item: quote for item, quote in made.items() if quote != Quote()}

    def _skus(self) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            page = self._fetch.json(
                f"{self._endpoint}/v1/{self.SERVICE}/skus",
                {"currencyCode": "USD", "pageSize": "5000", "pageToken": token},
                {"x-goog-api-key": self._key},
            )
            if not isinstance(page, dict) or not isinstance(page.get("skus"), list):
                raise NoAnswer("cloudbilling.googleapis.com answers without skus")
            yield from (sku for sku in page["skus"] if isinstance(sku, dict))
            if not (token := str(page.get("nextPageToken") or "")):
                return

    def part(self, description: str) -> str | None:
        """`n1 core`, `g2 ram`, `L4`: what a SKU is one of, by its description."""
        if found := self._PART.match(description):
            return f"{found[1].split()[0].lower()} {found[2].lower()}"
        if found := self._DEVICE.match(description):
            return self._DEVICES.get(found[1], found[1])
        return None


def _parts(catalog: GcpCatalog, sku: Mapping[str, Any]) -> Iterator[tuple[tuple[str, bool], float]]:
    usage = (sku.get("category") or {}).get("usageType")
    name = catalog.part(_text(sku, "description"))
    if name is None or usage not in ("OnDemand", "Preemptible"):
        return
    infos = sku.get("pricingInfo") or [{}]
    rates = (infos[-1].get("pricingExpression") or {}).get("tieredRates") or []
    if rates:
        unit = rates[-1].get("unitPrice") or {}
        yield (name, usage == "Preemptible"), _number(unit.get("units") or 0) + _number(unit.get("nanos") or 0) / 1e9


def _sum(item: Wanted, units: Mapping[tuple[str, str, bool], float], is_spot: bool) -> float | None:
    if not item.machine:
        unit = units.get((item.accelerator, item.region, is_spot))
        return None if unit is None else round(unit * item.count, 6)
    family, _, size = item.machine.partition("-")
    core, ram = (units.get((f"{family} {part}", item.region, is_spot)) for part in ("core", "ram"))
    if core is None or ram is None or size in GcpCatalog._SHARED or not item.vcpus:
        return None
    return round(core * item.vcpus + ram * item.memory_gib, 6)


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise NoAnswer(f"a price is {value!r}, not a number") from None
