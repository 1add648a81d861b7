"""A stack's state file that a killed engine left half-written, and the whole one that it had put aside before.

The file backend overwrites the state in place, after copying it to `.bak`. What was created between the two is missing
from the copy; the next `up` finds it by its key.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from catalog.errors import SkywrightError


def mend(backend: Path, project: str, stack: str) -> Path | None:
    """Put the copy in the place of a torn state, which is kept aside; None when the state is whole or not there.

    Only for a stack that nobody holds the lock of. Raises SkywrightError when the copy is torn too.
    """
    state = backend / ".pulumi" / "stacks" / project / f"{stack}.json"
    copy = state.with_name(state.name + ".bak")
    for file in (state, copy):  # each has a file of attributes beside it, which can be torn as well, and can be missed
        attributes = file.with_name(file.name + ".attrs")
        if attributes.exists() and not _is_whole(attributes):
            attributes.unlink()
    if not state.exists() or _is_whole(state):
        return None
    if not _is_whole(copy):
        raise SkywrightError(
            f"the state of stack {stack}, {state}, is damaged, and so is its copy",
            f"Bring back an earlier one from {backend / '.pulumi' / 'history'}, or from your own backup.",
        )
    aside = state.with_name(f"{state.name}.torn-{time.time_ns()}")
    temporary = state.with_name(f".{state.name}.{os.getpid()}")
    try:
        shutil.copyfile(copy, temporary)
        state.replace(aside)
        temporary.replace(state)
    except OSError as error:
        raise SkywrightError(
            f"{state} can't be mended: {error.strerror}", "Free the disk or mend its rights."
        ) from None
    state.with_name(state.name + ".attrs").unlink(missing_ok=True)  # they carry the torn one's digest
    return aside


def _is_whole(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except (OSError, ValueError):
        return False
