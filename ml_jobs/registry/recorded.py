"""The versions of a stack without a registry of ours: records in its artifact store, written by the jobs themselves.

They tell the same as a registry's versions do, but for decisions: nobody signs any there.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from catalog.errors import UserError, did_you_mean
from ml_jobs.contract import StackContract
from ml_jobs.registry.record import MODELS, Unknown, VersionRecord
from ml_jobs.runtime.registration import has_registry
from ml_jobs.runtime.storage import Folder

READERS = 16
NOT_OFFERED = "approve, reject, release, rollback and export, which need a registry of ours, are not offered there"
_LONG = {"lineage", "signature", "params"}


def need_registry(stack: StackContract) -> None:
    """Raises UserError where the stack has no registry of ours, before anybody is asked."""
    if not has_registry(stack):
        raise UserError(
            f"stack {stack.stack} keeps its model versions as records in its artifact store; {NOT_OFFERED}",
            "Declare a release by hand in skywright:endpoint.releases of the stack's file: `skywright models show "
            f"MODEL VERSION -s {stack.stack}` tells its artifact_url and artifact_sha256.",
        )


class Recorded:
    """Reads what `ml_jobs.runtime.registration` writes. Raises StorageError where the store refuses."""

    def __init__(self, stack: StackContract) -> None:
        """Raises UserError where the artifacts lie inside of a cluster, whose store only its pods reach."""
        self.url = f"{stack.storage.artifacts}/{MODELS}"
        if self.url.startswith(("http://", "https://")):
            raise UserError(
                f"the artifacts of stack {stack.stack} lie inside of its cluster, at {stack.storage.artifacts}: "
                "its versions can't be read from here",
                "Give the stack an object store: skywright:kubernetes.storage_url.",
            )

    def models(self) -> list[dict[str, Any]]:
        """Each model: name, and its versions (oldest first) without lineage."""
        with ThreadPoolExecutor(READERS) as readers:
            names = Folder(self.url).names()
            numbers = list(readers.map(self._numbers, names))
            wanted = [(name, number) for name, found in zip(names, numbers, strict=True) for number in found]
            records = list(readers.map(lambda at: self._read(*at), wanted))
        versions: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            told = record.model_dump(mode="json", exclude=_LONG)
            versions.setdefault(record.model, []).append(told)
        return [{"name": name, "versions": found} for name, found in versions.items()]

    def record(self, model: str, version: int | None = None) -> dict[str, Any]:
        """All that is known of a version, without one of the newest. Raises Unknown with what there is."""
        numbers = self._numbers(model)
        if not numbers:
            known = [entry["name"] for entry in self.models()]
            raise Unknown(
                f"model {model!r} is unknown; known: {', '.join(known) or 'none yet'}", did_you_mean(model, known)
            )
        if version is not None and version not in numbers:
            raise Unknown(f"{model} has no version {version}; known versions: {', '.join(map(str, numbers))}")
        return self._read(model, numbers[-1] if version is None else version).model_dump(mode="json")

    def _folder(self, model: str) -> Folder:
        return Folder(f"{self.url}/{model}/versions")

    def _numbers(self, model: str) -> list[int]:
        names = self._folder(model).names()
        return sorted(int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit())

    def _read(self, model: str, version: int) -> VersionRecord:
        folder, name = self._folder(model), f"{version:06d}.json"
        where = f"{folder.url}/{name}"
        try:
            return VersionRecord.read(json.loads(folder.read(name)), where=where)
        except (FileNotFoundError, ValueError) as error:
            raise UserError(f"{where} can't be read: {error}", "Restore it from a backup of the store.") from None
