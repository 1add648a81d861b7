"""No-change `pulumi up` of the local stack against that of an empty program: interleaved rounds, medians, the ratio."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from infra.engine.run import Engine  # noqa: E402
from tests.engine.bed import Bed  # noqa: E402

ROUNDS = 7
GOAL = 1.5


def empty_project(folder: Path) -> Engine:
    """A program of no lines, with the same interpreter."""
    folder.mkdir()
    (folder / ".venv").symlink_to(REPO / ".venv")
    (folder / "Pulumi.yaml").write_text(
        "name: empty\nruntime:\n  name: python\n  options: {toolchain: pip, virtualenv: .venv}\n"
    )
    (folder / "__main__.py").write_text("")
    return Engine(folder, "test", has_policies=False)


def seconds(engine: Engine) -> float:
    began = time.monotonic()
    outcome = engine.up()
    assert outcome.is_unchanged, outcome
    return time.monotonic() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        empty = empty_project(Path(folder) / "empty")
        bed = Bed(Path(folder))
        try:
            empty.up()
            bed.engine.up()
            rounds = [(seconds(empty), seconds(bed.engine)) for _ in range(ROUNDS)]
        finally:
            bed.engine.destroy()
            empty.destroy()
    ratio = statistics.median(ours / floor for floor, ours in rounds)
    print(f"empty program's up   {statistics.median(floor for floor, _ in rounds):6.2f} s")
    print(f"local stack, no-op   {statistics.median(ours for _, ours in rounds):6.2f} s")
    print(f"ratio, round by round {ratio:5.2f} (goal <= {GOAL})")


if __name__ == "__main__":
    main()
