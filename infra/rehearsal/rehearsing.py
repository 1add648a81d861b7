"""One rehearsal from its bed to its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from infra.rehearsal import bed as beds
from infra.rehearsal.core import evidence
from infra.rehearsal.report import Proof, Report, StepResult
from infra.rehearsal.steps import Rehearsal


def rehearse(
    project_dir: Path,
    file: Path,
    folder: Path,
    *,
    with_faults: bool = False,
    export: Path | None = None,
    on_step: Callable[[StepResult], None] | None = None,
) -> Report:
    """Rehearse the stack that `file` declares; `folder` holds all that comes of it.

    `export`: a JSON file with `preview` (the engine's `preview --json` before anything exists) and `export` (the
    stack's export after `up`), for tools that read declarations.
    """
    with beds.made(project_dir, file, folder) as bed:
        rehearsal = _Exporting(bed, on_step or (lambda _: None), export=export)
        steps = rehearsal.run(with_faults=with_faults)
        return Report(bed.stack, bed.settings.cloud, steps, tuple(proofs(bed)))


def proofs(bed: beds.Bed) -> list[Proof]:
    """What each resource that was ever declared reached, by its last judgement."""
    return [
        Proof(
            name=item.urn.rsplit("::", 1)[-1],
            type=item.token,
            tier=item.tier,
            judge=item.judge,
            declared=len(item.declared),
            carried=len(item.carried),
            reasons=item.reasons,
            unjudged=item.unaccounted,
        )
        for item in evidence.last(bed.account)
    ]


class _Exporting(Rehearsal):
    def __init__(self, bed: beds.Bed, on_step: Callable[[StepResult], None], *, export: Path | None) -> None:
        super().__init__(bed, on_step)
        self._file = export
        self._exported: dict[str, object] = {}

    def preview(self) -> None:
        super().preview()
        if self._file is not None:
            self._exported["preview"] = self.bed.engine.preview_json()

    def up(self) -> None:
        super().up()
        if self._file is not None:
            self._exported["export"] = self.bed.engine.export()
            self._file.write_text(json.dumps(self._exported, indent=2) + "\n")
