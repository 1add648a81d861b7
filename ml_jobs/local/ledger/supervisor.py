"""The few words that the ledger speaks with supervisord: which programs run, stop one, start one."""

from __future__ import annotations

import http.client
import xmlrpc.client
from dataclasses import dataclass
from typing import Any

from catalog.errors import SkywrightError

_RUNNING = frozenset({10, 20, 40})  # STARTING, RUNNING, STOPPING
_HELD = frozenset({10, 20, 30})  # what a stop must still reach: also BACKOFF, between two starts
_HARMLESS = frozenset({10, 60, 70})  # BAD_NAME, ALREADY_STARTED, NOT_RUNNING: somebody else was quicker
TIMEOUT_S = 5.0


class SupervisorAway(SkywrightError):
    """Nobody answers on the supervisor's socket."""


@dataclass(frozen=True, slots=True)
class Program:
    """A supervised program; `started_at` and `stopped_at` in whole seconds since the epoch, 0 for never."""

    name: str
    is_running: bool
    is_stoppable: bool
    started_at: int
    stopped_at: int


class Supervisor:
    """One connection to supervisord's XML-RPC over its unix socket (a path, or `unix://` and a path)."""

    def __init__(self, url: str) -> None:
        self.url = url if "://" in url else f"unix://{url}"
        self._proxy: Any = None

    def programs(self, prefix: str) -> list[Program]:
        """The programs whose names begin with `prefix`."""
        return [
            Program(
                name=str(info["name"]),
                is_running=info["state"] in _RUNNING,
                is_stoppable=info["state"] in _HELD,
                started_at=int(info["start"]),
                stopped_at=int(info["stop"]),
            )
            for info in self._call("getAllProcessInfo")
            if str(info["name"]).startswith(prefix)
        ]

    def stop(self, name: str) -> None:
        self._call("stopProcess", name, False)

    def start(self, name: str) -> None:
        self._call("startProcess", name, False)

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            if self._proxy is None:
                self._proxy = self._connect()
            return getattr(self._proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in _HARMLESS:
                return None
            raise SupervisorAway(f"supervisord refused {method}: {fault.faultString}") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            self._proxy = None
            raise SupervisorAway(
                f"supervisord does not answer on {self.url}: {error or type(error).__name__}",
                "Run `skywright status`.",
            ) from None

    def _connect(self) -> Any:
        from supervisor.xmlrpc import SupervisorTransport, UnixStreamHTTPConnection

        transport = SupervisorTransport(None, None, serverurl=self.url)
        if self.url.startswith("unix://"):
            path = self.url.removeprefix("unix://")

            def connection() -> Any:
                made = UnixStreamHTTPConnection("localhost")
                made.socketfile = path
                made.connect()
                made.sock.settimeout(TIMEOUT_S)  # a supervisor that hangs must not hang the ledger
                return made

            transport._get_connection = connection
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
