"""The monitor's process: a thread that scrapes and evaluates, HTTP over what it knows, and the page."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from catalog.errors import SkywrightError
from ml_jobs.identity import ANYBODY
from ml_jobs.local import page
from ml_jobs.local.access import Access, Rule, health
from ml_jobs.local.database import is_damage
from ml_jobs.local.monitor.notify import AlarmLog, Webhook
from ml_jobs.local.monitor.scrape import Scraper
from ml_jobs.local.monitor.settings import MonitorSettings
from ml_jobs.local.monitor.store import Store
from ml_jobs.local.monitor.watch import Watch
from ml_jobs.local.process import ServiceConfig, serve
from ml_jobs.local.telling import tell

RULES: tuple[Rule, ...] = (
    ("GET|HEAD", "/healthz", None),
    ("GET", "/metrics|/api/alarms", ANYBODY),
    *page.RULES,
)
PRUNE_EVERY_S = 60.0


class Monitor:
    """Everything that the process does, without HTTP. `round` is called by one thread."""

    def __init__(self, config: ServiceConfig, settings: MonitorSettings) -> None:
        root = Path(config.root)
        self.settings = settings
        self.store = Store(root / "state" / "monitor.db")
        self.scraper = Scraper(config)
        self.webhook = Webhook(self.store, settings)
        self.watch = Watch(
            config, settings.alerts, self.store, AlarmLog(root / "logs" / "alarms.log"), self.webhook,
            scrape_s=settings.scrape_s,
        )  # fmt: skip
        self.trouble: str | None = None
        self._pruned = 0.0

    def round(self, now: float) -> None:
        """Scrape, evaluate, and now and then prune. A full disk or a damaged file is told once and tried again."""
        try:
            self.scraper.round(self.store, now)
            self.watch.round(now)
            if abs(now - self._pruned) >= PRUNE_EVERY_S:
                self.store.prune(now, self.settings.retention_days * 86_400)
                self._pruned = now
            self._tell(None)
        except sqlite3.Error as error:
            self._tell(str(error))
            if is_damage(error):
                self._reopen()
        except Exception as error:  # one round's surprise must not end the watch
            self._tell(f"{type(error).__name__}: {error}")

    def _reopen(self) -> None:
        try:
            self.store.reopen()
            self.watch.load()
        except (sqlite3.Error, SkywrightError) as error:
            self._tell(str(error))

    def _tell(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            text = f"error: {self.store.path} can't be used: {trouble}" if trouble else "the store works again"
            tell(text)
        self.trouble = trouble

    def alarms(self) -> dict[str, Any]:
        """The body of GET /api/alarms."""
        return {
            "now": time.time(),
            "rules": self.watch.rules(),
            "alarms": self.store.alarms(),
            "peers": self.store.peers(),
            "webhook": {
                "is_set": self.webhook.is_set,
                "waiting": self.webhook.waiting(),
                "why": self.webhook.why,
            },
            "trouble": self.trouble,
        }

    def close(self) -> None:
        self.webhook.stop()
        self.scraper.close()
        self.store.close()


class Gauges(Collector):
    """The monitor's own metrics."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterable[Metric]:
        firing = GaugeMetricFamily("skywright_alarm_firing", "1 when it fires", labels=["name", "severity"])
        for rule in self._monitor.watch.rules():
            firing.add_metric([rule["name"], rule["severity"]], float(rule["status"] == "firing"))
        yield firing
        scrapes = CounterMetricFamily("skywright_scrapes", "scrapes of a peer", labels=["target", "ok"])
        for (peer, is_ok), count in self._monitor.scraper.counts().items():
            scrapes.add_metric([peer, str(is_ok).lower()], count)
        yield scrapes
        yield GaugeMetricFamily("skywright_alarms_waiting", "for the webhook", value=self._monitor.webhook.waiting())


def build(config: ServiceConfig, monitor: Monitor) -> Starlette:
    """The ASGI app; its lifespan runs the monitor's threads."""
    registry = CollectorRegistry()
    registry.register(Gauges(monitor))
    stop = threading.Event()

    def watch() -> None:
        while True:
            started = time.monotonic()
            monitor.round(time.time())
            if stop.wait(max(0.01, monitor.settings.scrape_s - (time.monotonic() - started))):
                return

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        monitor.webhook.start()
        thread = threading.Thread(target=watch, name="watch", daemon=True)
        thread.start()
        yield
        stop.set()
        thread.join(10)
        monitor.close()

    async def healthz(_: Request) -> Response:
        return JSONResponse(health(config))

    async def metrics(_: Request) -> Response:
        text = await anyio.to_thread.run_sync(generate_latest, registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def alarms(_: Request) -> Response:
        return JSONResponse(await anyio.to_thread.run_sync(monitor.alarms))

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", metrics),
            Route("/api/alarms", alarms),
            *page.routes(config, monitor.store.alarms, monitor.store.series),
        ],
        middleware=[Middleware(Access, config=config, rules=RULES)],
        exception_handlers={sqlite3.Error: _storage},
        lifespan=lifespan,
    )


async def _storage(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"the monitor's file can't be used: {error}. Free the disk or mend its rights."}, 503)


def start(config: ServiceConfig) -> None:
    settings = MonitorSettings.read(config.settings, where=f"{config.name}: settings")
    monitor = Monitor(config, settings)
    tell(f"monitor: {len(settings.alerts)} rules, every {settings.scrape_s:g} s")
    serve(config, build(config, monitor))
