"""What the cloud tells an instance about its own end, before or beside a signal: asked for by a thread on each node.

AWS    spot/instance-action, two minutes ahead; events/recommendations/rebalance, a raised risk
       https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
Google instance/preempted, 30 s ahead, by a request that is answered on a change
       https://cloud.google.com/compute/docs/instances/create-use-preemptible#detecting_if_an_instance_was_preempted
Azure  scheduledevents, 30 s ahead for Preempt; acknowledged once the ranks have ended
       https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events

Where there is no such server nothing is said, and one that hangs holds the thread alone.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.errors import did_you_mean, mistake
from ml_jobs.runtime.preemption import Notice

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

METADATA_VARIABLE = "SKYWRIGHT_METADATA"
"""Which of SOURCES to ask, or `none`; the contract's cloud by default."""
URL_VARIABLE = "SKYWRIGHT_METADATA_URL"
"""Another address than the cloud's own."""

TIMEOUT_S = 2.0
SLOWEST_S = 60.0
"""After failures the pauses double up to this."""


@dataclass(frozen=True, slots=True)
class Heard:
    """`is_end`: the instance goes away; else it may, and what is not saved is at risk. `id` tells it from others."""

    id: str
    is_end: bool
    what: str


class Aws:
    """IMDSv2: a token by PUT, shown with each GET; 404 while there is nothing to tell."""

    url = "http://169.254.169.254"
    every_s = 5.0
    TOKEN_TTL_S = 21_600

    def __init__(self, client: httpx.Client) -> None:
        self._client, self._token = client, ""

    def ask(self) -> Iterable[Heard]:
        found = []
        if action := self._get("spot/instance-action"):
            found.append(Heard(f"spot {action}", True, f"spot {action.get('action')} at {action.get('time')}"))
        if advice := self._get("events/recommendations/rebalance"):
            found.append(Heard(f"rebalance {advice}", False, f"rebalance recommended at {advice.get('noticeTime')}"))
        return found

    def _get(self, path: str) -> dict[str, Any] | None:
        for _ in range(2):
            if not self._token:
                ttl = {"X-aws-ec2-metadata-token-ttl-seconds": str(self.TOKEN_TTL_S)}
                answer = self._client.put("/latest/api/token", headers=ttl)
                self._token = answer.raise_for_status().text
            answer = self._client.get(f"/latest/meta-data/{path}", headers={"X-aws-ec2-metadata-token": self._token})
            if answer.status_code != 401:
                break
            self._token = ""  # it has expired
        if answer.status_code == 404:
            return None
        found = answer.raise_for_status().json()
        return found if isinstance(found, dict) else None

    def acknowledge(self) -> None:
        """AWS takes no answer."""


class Google:
    """One request that is answered when the value changes, or after WAIT_S."""

    url = "http://metadata.google.internal"
    every_s = 0.0
    WAIT_S = 30

    def __init__(self, client: httpx.Client) -> None:
        self._client, self._etag = client, ""

    def ask(self) -> Iterable[Heard]:
        wait = {"wait_for_change": "true", "last_etag": self._etag, "timeout_sec": str(self.WAIT_S)}
        answer = self._client.get(
            "/computeMetadata/v1/instance/preempted",
            params=wait if self._etag else {},
            headers={"Metadata-Flavor": "Google"},
            timeout=self.WAIT_S + TIMEOUT_S if self._etag else TIMEOUT_S,
        ).raise_for_status()
        if answer.headers.get("Metadata-Flavor") != "Google":
            raise ValueError("it is no metadata server of Google's")
        self._etag = answer.headers.get("ETag", "") or "0"
        return [Heard("preempted", True, "the instance is preempted")] if answer.text.strip() == "TRUE" else []

    def acknowledge(self) -> None:
        """Google takes no answer."""


class Azure:
    """All events of the scale set; those that name this instance count."""

    url = "http://169.254.169.254"
    every_s = 2.0
    EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
    NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
    ENDS = frozenset({"Preempt", "Terminate"})
    RISKS = frozenset({"Reboot", "Redeploy"})

    def __init__(self, client: httpx.Client) -> None:
        self._client, self._name = client, ""
        self._ends: set[str] = set()

    def ask(self) -> Iterable[Heard]:
        headers = {"Metadata": "true"}
        self._name = self._name or self._client.get(self.NAME, headers=headers).raise_for_status().text.strip()
        # The first request switches the service on, which may take two minutes.
        events = self._client.get(self.EVENTS, headers=headers).raise_for_status().json()["Events"]
        found = []
        for event in events:
            kind, number = event["EventType"], event["EventId"]
            if self._name not in event.get("Resources", ()) or kind not in self.ENDS | self.RISKS:
                continue
            if kind in self.ENDS:
                self._ends.add(number)
            not_before = event.get("NotBefore") or "once"
            found.append(Heard(number, kind in self.ENDS, f"{kind} not before {not_before}"))
        return found

    def acknowledge(self) -> None:
        """Tell that nothing is left to wait for: the events of this instance's end may go on."""
        if self._ends:
            starts = [{"EventId": number} for number in sorted(self._ends)]
            self._client.post(self.EVENTS, headers={"Metadata": "true"}, json={"StartRequests": starts})


Source = Aws | Google | Azure
SOURCES: dict[str, type[Source]] = {"aws": Aws, "gcp": Google, "azure": Azure}


def source(cloud: str, env: Mapping[str, str] = os.environ) -> type[Source] | None:
    """Whom to ask on `cloud`; None on a laptop and on clusters, which send signals. Raises UserError."""
    named = env.get(METADATA_VARIABLE)
    if named and named not in (*SOURCES, "none"):
        names = [*SOURCES, "none"]
        raise mistake(METADATA_VARIABLE, named, ", ".join(names), did_you_mean(named, names))
    return SOURCES.get(named or cloud)


class Watch:
    """Asks until it is closed. What it hears raises `notice`; nothing that goes wrong is more than a debug line."""

    def __init__(self, kind: type[Source], notice: Notice, env: Mapping[str, str] = os.environ) -> None:
        import httpx

        url = env.get(URL_VARIABLE) or kind.url
        # Link-local: never by a proxy.
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._source, self._notice = kind(self._client), notice
        self._closing = threading.Event()
        self._known: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="metadata", daemon=True)

    def start(self) -> Watch:
        self._thread.start()
        return self

    def close(self, *, is_ended: bool) -> None:
        """Ask no more. `is_ended`: the ranks have stopped for an end that was told, which is acknowledged."""
        self._closing.set()
        if is_ended and any(self._known):
            try:
                self._source.acknowledge()
            except Exception as error:
                log.debug("the end was not acknowledged: %s", error)

    def _work(self) -> None:
        pause_s = 0.0
        while not self._closing.wait(pause_s):
            try:
                for heard in self._source.ask():
                    self._hear(heard)
                pause_s = self._source.every_s
            except Exception as error:  # there is none, or it is not well: signals still come
                log.debug("no answer of the metadata server: %s", error)
                pause_s = min(max(pause_s, 0.5) * 2, SLOWEST_S)

    def _hear(self, heard: Heard) -> None:
        if heard.id in self._known:
            return
        self._known.add(heard.id)
        log.warning("the cloud tells: %s", heard.what)
        if heard.is_end:
            self._notice.give(heard.what)
        else:
            self._notice.warn()
