"""Asks the stack's processes for their metrics, all at once, none for long."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from catalog.errors import SkywrightError
from ml_jobs.identity import read_token
from ml_jobs.local.monitor.store import Sample, Store
from ml_jobs.local.process import ServiceConfig

PREFIX = "skywright_"
PATIENCE_S = 1.5
LARGEST_BYTES = 4_000_000
_COUNTERS = frozenset({"counter", "histogram", "summary"})
_READY = "skywright_server_ready"


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one peer answered; `why` says what was wrong with it."""

    peer: str
    samples: tuple[Sample, ...] = ()
    why: str | None = None


def parse(text: str) -> tuple[Sample, ...]:
    """Our own metrics of a page in Prometheus' text format. Raises ValueError when it is none."""
    return tuple(
        Sample(sample.name, dict(sample.labels), float(sample.value), family.type in _COUNTERS)
        for family in text_string_to_metric_families(text)
        if family.name.startswith(PREFIX)
        for sample in family.samples
        if not sample.name.endswith("_created") and sample.value == sample.value
    )


class Scraper:
    """`peers` of the config, and the model servers that the router's table names."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._client = httpx.Client(timeout=PATIENCE_S, trust_env=False)
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="scrape")
        self._servers: dict[str, str] = {}
        self.scrapes: dict[tuple[str, bool], int] = {}
        self._lock = threading.Lock()

    def round(self, store: Store, at: float) -> None:
        """Scrape every peer once and keep what it told, or that it is away. Raises sqlite3.Error."""
        self._find_servers()
        targets = {name: url for name, url in self._config.peers.items() if name != self._config.name} | self._servers
        for scrape in self._pool.map(lambda target: self._scrape(*target), targets.items()):
            samples: Iterable[Sample] = scrape.samples
            if scrape.why and scrape.peer in self._servers:  # a server that doesn't answer isn't ready
                known = store.labels_of(_READY, scrape.peer) or [{"release": scrape.peer.removeprefix("server-")}]
                samples = [
                    Sample(_READY, {k: v for k, v in labels.items() if k != "peer"}, 0.0, False) for labels in known
                ]
            store.put(scrape.peer, at, samples, is_up=scrape.why is None, why=scrape.why)
            with self._lock:
                key = (scrape.peer, scrape.why is None)
                self.scrapes[key] = self.scrapes.get(key, 0) + 1
        for gone in {peer["name"] for peer in store.peers()} - targets.keys():
            store.forget_peer(gone)

    def _find_servers(self) -> None:
        """The router's table; while it is away, the servers of the last one."""
        router = self._config.peers.get("router")
        if not router:
            return
        try:
            releases = self._get(f"{router}/routes").json()["releases"]
            self._servers = {f"server-{name}": str(one["url"]) for name, one in releases.items() if one.get("url")}
        except (httpx.HTTPError, SkywrightError, ValueError, KeyError, TypeError, AttributeError):
            return

    def _scrape(self, peer: str, url: str) -> Scrape:
        try:
            answer = self._get(f"{url}/metrics")
            if len(answer.content) > LARGEST_BYTES:
                return Scrape(peer, why=f"answered {len(answer.content)} bytes")
            return Scrape(peer, parse(answer.text))
        except httpx.HTTPStatusError as error:
            return Scrape(peer, why=f"answered {error.response.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Scrape(peer, why=f"does not answer ({type(error).__name__})")
        except SkywrightError as error:
            return Scrape(peer, why=error.what)
        except Exception as error:  # whatever a peer writes, the parser's surprise at it must not end the monitor
            return Scrape(peer, why=f"its metrics can't be read ({type(error).__name__}: {str(error)[:100]})")

    def _get(self, url: str) -> Any:
        token = read_token(self._config.token_file, override=False)
        answer = self._client.get(url, headers={"authorization": f"Bearer {token}"})
        answer.raise_for_status()
        return answer

    def counts(self) -> dict[tuple[str, bool], int]:
        """How many scrapes of each peer went well (True) or not (False)."""
        with self._lock:
            return dict(self.scrapes)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()
