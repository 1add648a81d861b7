"""What strictness costs a rehearsal: preview and first up of production on AWS, judged and passed. Only reported."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cloud_preview import passing, seconds
from rounds import ROUNDS, interleaved

UPS = 3
"""Fresh beds each: an up of a hundred resources is long enough to differ little."""


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        passing(Path(folder)) as passed,
        passing(Path(folder), is_strict=True) as judged,
    ):
        previews = interleaved(lambda: seconds(passed.engine), lambda: seconds(judged.engine), ROUNDS)
    ups = interleaved(first_up(is_strict=False), first_up(is_strict=True), UPS)
    print("floor: stand-ins that pass all; ours: strict ones")
    print(previews.line(f"preview {passed.stack}"))
    print(ups.line(f"first up {passed.stack}"))
    return 0


def first_up(*, is_strict: bool) -> Callable[[], float]:
    def turn() -> float:
        with tempfile.TemporaryDirectory() as folder, passing(Path(folder), is_strict=is_strict) as bed:
            began = time.monotonic()
            bed.engine.up()
            return time.monotonic() - began

    return turn


if __name__ == "__main__":
    sys.exit(main())
