"""Changing the declared releases: which weights follow from a change, and the guarded `up` that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import SkywrightError, UserError, mistake
from ml_jobs.contract import Release

if TYPE_CHECKING:
    from infra.engine.run import Engine

PATH = "skywright:endpoint.releases"

Releases = Mapping[str, Release]


def with_release(
    releases: Releases, name: str, release: Release, *, weight: float = 100, shadow: float = 0
) -> dict[str, Release]:
    """`releases` with `release` under `name` at `weight` percent; the others share the rest in proportion.

    A release that is left with neither weight nor shadow goes, so that nothing idle is paid for. Weights have two
    decimals and sum to 100. Raises UserError when nobody is there to take the rest.
    """
    if not 0 <= weight <= 100:
        raise mistake("--weight", weight, "0 to 100 percent")
    if not 0 <= shadow <= 100:
        raise mistake("--shadow", shadow, "0 to 100 percent")
    others = {key: value for key, value in releases.items() if key != name}
    total = sum(other.weight_percent for other in others.values())
    if weight < 100 and total <= 0:
        raise UserError(
            f"weight {weight:g} leaves {100 - weight:g} percent for other releases, and there are none",
            "Release it with --weight 100 first.",
        )
    changed = {
        key: other.model_copy(update={"weight_percent": round(other.weight_percent * (100 - weight) / total, 2)})
        for key, other in others.items()
        if total > 0
    }
    changed = {key: other for key, other in changed.items() if other.weight_percent or other.shadow_percent}
    if weight < 100 and changed:
        largest = max(changed, key=lambda key: changed[key].weight_percent)
        rest = 100 - weight - sum(other.weight_percent for key, other in changed.items() if key != largest)
        changed[largest] = changed[largest].model_copy(update={"weight_percent": round(rest, 6)})
    return {**changed, name: release.model_copy(update={"weight_percent": weight, "shadow_percent": shadow})}


def production(releases: Releases, model: str) -> int | None:
    """The version of `model` that carries the largest weight."""
    serving = [release for release in releases.values() if release.model == model and release.weight_percent > 0]
    return max(serving, key=lambda release: release.weight_percent).version if serving else None


def plain(releases: Releases) -> dict[str, dict[str, Any]]:
    """As the stack file carries them: whole records, less what is not set."""
    return {name: release.model_dump(mode="json", exclude_none=True) for name, release in releases.items()}


def declare(path: Path, engine: Engine, releases: Releases, *, on_line: Callable[[str], None] | None = None) -> None:
    """Write the releases into the stack's file and bring the stack up; if that fails, the file is as it was."""
    from infra.stackfile import StackFile

    file = StackFile.read(path)
    if releases:
        file.set(PATH, plain(releases))
    else:
        file.remove(PATH)
    try:
        with file.written():
            engine.up(on_line=on_line)
    except SkywrightError as error:
        raise SkywrightError(f"{error.what}; the declared releases are as before", error.remedy) from None


def last_but_one(entries: list[dict[str, Any]], present: Releases) -> dict[str, Release]:
    """The releases before the last change, out of the audit log. Raises UserError if there were none."""
    for entry in reversed(entries):
        if entry.get("what") in ("release", "rollback") and entry.get("outcome") == "done":
            before = {name: Release.read(data) for name, data in (entry.get("before") or {}).items()}
            if before and plain(before) != plain(present):
                return before
            if not before:
                break
    raise UserError("there is no earlier release to go back to", "See `skywright audit` for what was released.")
