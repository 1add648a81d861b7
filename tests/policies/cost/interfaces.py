"""The three price interfaces as they behave, on this machine's loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, str]
"""Status and body."""


@contextmanager
def serving(answer: Callable[[str, dict[str, str], dict[str, str]], Answer]) -> Iterator[str]:
    """`answer(path, parameters, headers)`; gives the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = {key: values[0] for key, values in parse_qs(parts.query).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, body = answer(parts.path, given, headers)
            data = body.encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


_HEADINGS = (
    "SKU", "OfferTermCode", "RateCode", "TermType", "PriceDescription", "Unit", "PricePerUnit", "Currency",
    "Instance Type", "Tenancy", "Operating System", "License Model", "CapacityStatus", "Pre Installed S/W",
)  # fmt: skip


def offer_file(prices: dict[str, str]) -> str:
    """EC2's offer file of a region: five lines of metadata, and rows that must be passed over."""
    lines = [f'"{key}","x"' for key in ("FormatVersion", "Disclaimer", "Publication Date", "Version", "OfferCode")]
    lines.append(",".join(f'"{name}"' for name in _HEADINGS))
    for machine, price in prices.items():
        for term, usd, system, tenancy, status, software in (
            ("OnDemand", price, "Linux", "Shared", "Used", "NA"),
            ("OnDemand", "99.9", "Windows", "Shared", "Used", "NA"),
            ("OnDemand", "98.9", "Linux", "Dedicated", "Used", "NA"),
            ("OnDemand", "0.0", "Linux", "Shared", "UnusedCapacityReservation", "NA"),
            ("OnDemand", "97.9", "Linux", "Shared", "Used", "SQL Web"),
            ("Reserved", "0.01", "Linux", "Shared", "Used", "NA"),
        ):
            cells = ("A", "J", "A.J", term, "text, with a comma", "Hrs", usd, "USD", machine, tenancy, system,
                     "No License required", status, software)  # fmt: skip
            lines.append(",".join(f'"{cell}"' for cell in cells))
    return "\n".join(lines) + "\n"


def azure_item(
    sku: str, price: float, *, sku_name: str = "", product: str = "Virtual Machines", **more: Any
) -> dict[str, Any]:
    return {
        "currencyCode": "USD", "retailPrice": price, "armSkuName": sku, "skuName": sku_name or sku,
        "productName": product, "unitOfMeasure": "1 Hour", "type": "Consumption", **more,
    }  # fmt: skip


def sku(description: str, usage: str, nanos: int, *regions: str) -> dict[str, Any]:
    unit = {"currencyCode": "USD", "units": "0", "nanos": nanos}
    return {
        "description": description, "category": {"usageType": usage, "resourceGroup": "x"},
        "serviceRegions": list(regions),
        "pricingInfo": [
            {"pricingExpression": {"usageUnit": "h", "tieredRates": [{"startUsageAmount": 0, "unitPrice": unit}]}}
        ],
    }  # fmt: skip


def page(**data: Any) -> Answer:
    return 200, json.dumps(data)
