"""The requests that the launcher makes of a cluster, and the cluster's refusals as ours.

Whoever the kubeconfig says is who asks: KUBECONFIG, else ~/.kube/config, its current context; inside of a pod its
service account. What that may do is RBAC's to say.
"""

from __future__ import annotations

import codecs
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.errors import UserError
from ml_jobs.launch.base import LaunchError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

TIMEOUT_S = (5.0, 30.0)
"""To connect, and to be answered."""
LOG_TIMEOUT_S = (5.0, 3600.0)
"""The same for a log that is followed: a container may say nothing for so long."""
PIECE = 65_536
BUSY_S = (0.25, 0.5, 1.0, 2.0)
"""Waits after an answer that says too many requests: nothing was done, and the same may be asked again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Where the API has a kind's objects."""

    api_version: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        home = "apis" if "/" in self.api_version else "api"
        return f"/{home}/{self.api_version}/namespaces/{namespace}/{self.plural}" + (f"/{name}" if name else "")


CONFIG_MAPS = Kind("v1", "configmaps")
PODS = Kind("v1", "pods")
JOBS = Kind("batch/v1", "jobs")
JOBSETS = Kind("jobset.x-k8s.io/v1alpha2", "jobsets")
WORKLOADS = Kind("kueue.x-k8s.io/v1beta1", "workloads")


class Refused(LaunchError):
    """The API server's answer: HTTP's `status`, the API's `reason` such as AlreadyExists, the `name` it is about."""

    def __init__(self, kind: str, message: str, remedy: str, *, status: int, reason: str, name: str) -> None:
        super().__init__(kind, message, remedy)
        self.status, self.reason, self.name = status, reason, name


class Cluster:
    """One cluster's API, as plain objects. Every call raises LaunchError, a refusal in the API server's own words."""

    def __init__(self, client: ApiClient) -> None:
        from kubernetes.dynamic import DynamicClient

        self._client = DynamicClient(client, discoverer=lambda client, cache_file: None)  # our paths are known

    def create(self, kind: Kind, body: Mapping[str, Any], *, is_dry: bool = False) -> dict[str, Any] | None:
        """What was created; None where one of that name is there already."""
        query = [("fieldValidation", "Strict"), *([("dryRun", "All")] if is_dry else [])]
        try:
            return self._ask("POST", kind.path(body["metadata"]["namespace"]), body=dict(body), query_params=query)
        except Refused as refused:
            if refused.reason == "AlreadyExists":
                return None
            raise

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        """None where there is none of that name."""
        try:
            return self._ask("GET", kind.path(namespace, name))
        except Refused as refused:
            if _is_missing(refused, name):
                return None
            raise

    def list(self, kind: Kind, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        query = [("labelSelector", labels)] if labels else []
        return list(self._ask("GET", kind.path(namespace), query_params=query)["items"])

    def patch(self, kind: Kind, namespace: str, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """A merge patch."""
        content = "application/merge-patch+json"
        return self._ask("PATCH", kind.path(namespace, name), body=dict(change), content_type=content)

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """It stays, marked, until all that it owns is gone. One that is not there is as good."""
        try:
            self._ask("DELETE", kind.path(namespace, name), body={"propagationPolicy": "Foreground"})
        except Refused as refused:
            if not _is_missing(refused, name):
                raise

    def log(self, namespace: str, pod: str, container: str, *, follow: bool) -> Iterator[str]:
        """Lines of a pod's log; none from a container that has not started, or from a pod that has gone."""
        query = [("container", container), *([("follow", "true")] if follow else [])]
        try:
            stream = self._send(
                "GET",
                f"{PODS.path(namespace, pod)}/log",
                query_params=query,
                header_params={"Accept": "*/*"},
                _request_timeout=LOG_TIMEOUT_S,
            )
        except Refused as refused:
            if _is_missing(refused, pod) or refused.status == 400:
                return
            raise
        with _refusals():
            try:
                yield from lines(codecs.iterdecode(stream.stream(PIECE), "utf-8", errors="replace"))
            finally:
                stream.close()

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._send(method, path, _request_timeout=TIMEOUT_S, **options).data)
        return answer

    def _send(self, method: str, path: str, **options: Any) -> Any:
        from kubernetes.client import ApiException

        with _refusals():
            for wait_s in BUSY_S:
                try:
                    return self._client.request(method, path, serialize=False, **options)
                except ApiException as error:
                    if error.status != 429:
                        raise
                    time.sleep(wait_s)
            return self._client.request(method, path, serialize=False, **options)


def connect() -> Cluster:
    """The cluster that the kubeconfig names, or the one that this pod runs on. Raises LaunchError without either."""
    try:
        from kubernetes import client, config
    except ImportError:
        raise UserError(
            "jobs on a cluster need the package kubernetes", "Install it: pip install 'skywright[kubernetes]'"
        ) from None
    given = os.environ.get("KUBECONFIG")  # the SDK reads it once, when it is imported
    configuration = client.Configuration()
    configuration.retries = 1
    try:
        if not given and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(config_file=given, client_configuration=configuration, persist_config=False)
    except Exception as error:  # its own, YAML's, and those of credential plugins
        raise LaunchError(
            "credentials",
            f"the kubeconfig gives no cluster: {_short(error)}",
            "Set KUBECONFIG to a file whose current context is the stack's cluster, or log in to it again.",
        ) from None
    return Cluster(client.ApiClient(configuration))


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever the client raises inside becomes LaunchError."""
    import urllib3
    from kubernetes.client import ApiException

    try:
        yield
    except ApiException as error:
        raise refused(error.status or 0, error.body or "", error.reason or "") from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise LaunchError(
            "unreachable",
            f"the cluster does not answer: {_short(error)}",
            "Start it or open the way to it (VPN, proxy, allowed addresses), or set KUBECONFIG to the right cluster.",
        ) from None


def refused(status: int, body: str | bytes, reason: str = "") -> Refused:
    """An answer of the API server as an error of ours."""
    try:
        told = json.loads(body)
        message = str(told.get("message") or told.get("reason") or reason)
        why, name = str(told.get("reason") or ""), str((told.get("details") or {}).get("name") or "")
    except (ValueError, AttributeError):
        message, why, name = reason or f"HTTP {status}", "", ""
    message = " ".join(message.split())
    kind, remedy = _sorted_out(status, why, message)
    return Refused(kind, f"the cluster refuses: {message}", remedy, status=status, reason=why, name=name)


_REMEDIES = {
    "credentials": "Log in to the cluster again: its token is absent or has expired.",
    "quota": "Ask for less, stop another run of the team, or raise the team's limits in skywright:training.teams.",
    "permission": "Use a kubeconfig of the role pipeline or admin, or ask for its group.",
    "unreachable": "Try again in a moment: the API server is overloaded or starting.",
    "namespace": "Bring the stack up, or set KUBECONFIG to the stack's cluster.",
    "operator": "The cluster lacks JobSet or Kueue: bring the stack up with both operators.",
    "request": "",
}


def _sorted_out(status: int, reason: str, message: str) -> tuple[str, str]:
    """(kind, remedy) of a refusal."""
    if status == 401:
        kind = "credentials"
    elif "exceeded quota" in message:
        kind = "quota"
    elif status == 403 and " cannot " in message:
        kind = "permission"
    elif status in (429, 500, 502, 503, 504):
        kind = "unreachable"
    elif status == 404 and message.startswith("namespaces "):
        return "request", _REMEDIES["namespace"]
    elif status == 404 and (not reason or "could not find the requested resource" in message):
        return "request", _REMEDIES["operator"]  # no path of that kind: its group is served by nobody
    else:
        kind = "request"
    return kind, _REMEDIES[kind]


def _is_missing(refused: Refused, name: str) -> bool:
    """True where the object isn't there; its namespace or its kind may well not be there either: those are errors."""
    return refused.status == 404 and refused.name == name


def _short(error: BaseException) -> str:
    """The innermost reason: clients wrap it several times."""
    while isinstance(reason := getattr(error, "reason", None), BaseException):
        error = reason
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(": ", 1)[-1].strip().rstrip(".") or type(error).__name__


def lines(pieces: Iterator[str]) -> Iterator[str]:
    """Whole lines, as soon as each has come."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        yield from (f"{line}\n" for line in whole)
    if rest:
        yield rest
