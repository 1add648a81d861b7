"""An etcd folder in which the operators' definitions and the stand-in webhooks lie already: made once, in the cache.

Loading them takes a quarter of a minute and a gibibyte; a server that starts from a copy, seconds and half of that.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import SkywrightError
from infra.engine import cache, making
from infra.engine.golang import Progress, Unavailable
from infra.rehearsal.kubernetes import admission, binaries, client, crds, objects, server
from infra.rehearsal.kubernetes.api import Api, Refused

if TYPE_CHECKING:
    from kubernetes.dynamic import DynamicClient


STALLED_S = 120.0
"""On a busy machine definitions come slowly, but they come."""


def archive() -> Path:
    """Where it lies; its name changes with what is in it."""
    mixed = hashlib.sha256(f"{crds.fingerprint()} {admission.fingerprint()}".encode()).hexdigest()[:12]
    return cache.folder(binaries.FOLDER) / f"snapshot-{mixed}.tar.gz"


def unpacked(folder: Path) -> None:
    """Put it at `folder`; it is made first where it is missing, or was made of other definitions."""
    with tarfile.open(make(lambda message, share: None)) as opened:
        opened.extractall(folder, filter="data")
    folder.chmod(0o700)  # etcd asks for it


def make(progress: Progress) -> Path:
    """The snapshot, made unless it is there. Raises SkywrightError where a definition can't be had."""
    if (target := archive()).exists():
        return target
    with making.alone(binaries.FOLDER, progress, "snapshot"):
        if target.exists():
            return target
        try:
            found = list(crds.definitions(progress))
        except Unavailable as reason:
            raise SkywrightError(
                f"the definitions of the cluster's operators can't be had: {reason}", reason.remedy
            ) from None
        folder = Path(tempfile.mkdtemp(prefix="skywright-snapshot-"))
        try:
            with server.running_in(folder) as running:
                _load(client.connect(running), found, progress)
            progress("packing the snapshot", None)
            aside = target.with_name(f".{target.name}-{os.getpid()}")
            with tarfile.open(aside, "w:gz") as packed:
                packed.add(folder / "etcd", ".")
            aside.rename(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return target


def _load(to: DynamicClient, found: list[dict[str, Any]], progress: Progress) -> None:
    kind = to.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    for number, definition in enumerate(found):
        progress(f"loading {definition['metadata']['name']}", number / len(found))
        kind.create(body=definition)
    before, since = len(found) + 1, time.monotonic()
    while waiting := [each.metadata.name for each in kind.get().items if not _is_established(each)]:
        if len(waiting) < before:
            before, since = len(waiting), time.monotonic()
        elif time.monotonic() - since > STALLED_S:
            raise SkywrightError(
                f"the API server has not taken {waiting[0]} for {STALLED_S:.0f} s, nor {before - 1} others",
                "Run it again when the machine has less to do.",
            )
        time.sleep(1)  # an answer is megabytes
    api = Api(to)
    for document in admission.documents():
        try:
            api.apply(document, objects.ref(document))
        except Refused as refused:
            raise SkywrightError(f"a rule of {admission.RULES.name} was refused: {refused}", "Mend it.") from None


def _is_established(definition: Any) -> bool:
    conditions = definition.to_dict().get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
