"""The few requests that the provider makes, and the server's refusals as they are."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.rehearsal.kubernetes import objects
from infra.rehearsal.kubernetes.objects import Ref

if TYPE_CHECKING:
    from kubernetes.dynamic import DynamicClient

MANAGER = "pulumi-kubernetes"
NAMESPACE_S = 30.0

_IMMUTABLE = re.compile(
    r"immutable|cannot change|may not be (changed|modified)|should not be changed|updates to .* (are|for fields)", re.I
)


class Refused(Exception):
    """The server's own words. `paths`: the inputs that they are about, where it says so."""

    def __init__(self, message: str, code: int, causes: list[dict[str, str]]) -> None:
        self.code = code
        self.paths = [cause["field"] for cause in causes if cause.get("field") not in (None, "", "<nil>")]
        said = [cause.get("message", "") for cause in causes] or [message]
        self.is_about_immutables = code in (403, 422) and all(_IMMUTABLE.search(each) for each in said)
        super().__init__(message)

    @property
    def is_namespace_missing(self) -> bool:
        return self.code == 404 and bool(re.match(r'namespaces "[^"]*" not found', str(self)))


@contextmanager
def refusals() -> Iterator[None]:
    """Whatever the client raises inside becomes Refused."""
    from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError

    try:
        yield
    except ResourceNotFoundError as error:
        raise Refused(str(error), 404, []) from None
    except DynamicApiError as error:
        try:
            told = json.loads(error.body or "")
            causes = (told.get("details") or {}).get("causes") or []
            message = told.get("message") or told.get("reason") or ""
        except (ValueError, AttributeError):
            message, causes = f"{error.status} {error.reason}", []
        raise Refused(" ".join(str(message).split()), error.status, causes) from None


class Api:
    """One cluster's API, for any number of threads."""

    def __init__(self, client: DynamicClient) -> None:
        self._client = client
        self._lock = threading.Lock()

    def is_namespaced(self, at: Ref) -> bool:
        return bool(self._kind(at.api_version, at.kind).namespaced)

    def apply(
        self, body: Mapping[str, Any], at: Ref, *, is_dry: bool = False, is_forced: bool = False
    ) -> dict[str, Any]:
        """Server-side apply; what is stored now, or would be."""
        with refusals():
            options: dict[str, Any] = {"dry_run": "All"} if is_dry else {}
            return dict(
                self._client.server_side_apply(
                    self._kind(at.api_version, at.kind),
                    body=dict(body),
                    name=at.name,
                    namespace=at.namespace or None,
                    field_manager=MANAGER,
                    force_conflicts=is_forced,
                    **options,
                ).to_dict()
            )

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A plain creation: what a job's launcher does."""
        at = objects.ref(body)
        with refusals():
            kind = self._kind(at.api_version, at.kind)
            return dict(kind.create(body=dict(body), namespace=at.namespace or None).to_dict())

    def probe(self, body: Mapping[str, Any]) -> None:
        """Whether the server would take `body`, without a trace."""
        try:
            self.apply(body, objects.ref(body), is_dry=True, is_forced=True)
        except Refused as refused:
            if not refused.is_namespace_missing:
                raise
            # Its namespace is declared as well, and not made yet: judged in another one.
            elsewhere = {**body, "metadata": {**body["metadata"], "namespace": "default"}}
            self.apply(elsewhere, objects.ref(elsewhere), is_dry=True, is_forced=True)

    def as_declared(self, declared: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
        """The declaration, with the live value wherever applying it anew would change something."""
        try:
            wanted = self.apply(declared, objects.ref(declared), is_dry=True, is_forced=True)
        except Refused:  # it would not even be taken: all that differs drifted
            return dict(objects.drifted(declared, objects.as_inputs(live), {}))
        if objects.says_the_same(live, wanted):
            return dict(declared)
        return dict(objects.drifted(declared, objects.as_inputs(live), objects.as_inputs(wanted)))

    def get(self, at: Ref) -> dict[str, Any] | None:
        try:
            with refusals():
                kind = self._kind(at.api_version, at.kind)
                return dict(kind.get(name=at.name, namespace=at.namespace or None).to_dict())
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, **options: Any) -> list[dict[str, Any]]:
        with refusals():
            return [item.to_dict() for item in self._kind(api_version, kind).get(**options).items]

    def delete(self, at: Ref) -> None:
        """Gone, or on its way; a namespace is waited for. One that is not there is as good."""
        try:
            with refusals():
                kind = self._kind(at.api_version, at.kind)
                kind.delete(name=at.name, namespace=at.namespace or None, body={"propagationPolicy": "Background"})
        except Refused as refused:
            if refused.code != 404:
                raise
            return
        if (at.api_version, at.kind) == ("v1", "Namespace"):
            self._finalized(at)

    def patch(self, at: Ref, change: Mapping[str, Any], manager: str) -> None:
        """As somebody else would, by hand."""
        with refusals():
            self._kind(at.api_version, at.kind).patch(
                name=at.name,
                namespace=at.namespace or None,
                body=dict(change),
                content_type="application/merge-patch+json",
                field_manager=manager,
            )

    def _finalized(self, at: Ref) -> None:
        """Nobody but the controller manager, which does not run here, lets a namespace go when it is empty."""
        end = time.monotonic() + NAMESPACE_S
        while (found := self.get(at)) is not None:
            if time.monotonic() > end:
                raise Refused(f"namespace {at.name} was not gone after {NAMESPACE_S:g} s", 504, [])
            found["spec"] = {"finalizers": []}
            try:
                with refusals():
                    self._client.request("put", f"/api/v1/namespaces/{at.name}/finalize", body=found)
            except Refused as refused:
                if refused.code not in (404, 409):
                    raise
            time.sleep(0.05)

    def _kind(self, api_version: str, kind: str) -> Any:
        with self._lock:  # the discovery fills its cache as it goes
            return self._client.resources.get(api_version=api_version, kind=kind)
