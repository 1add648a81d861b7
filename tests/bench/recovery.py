"""What a preemption costs: lost work and the parts of the recovery, by the drill on a stack of its own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from tests.engine.bed import Bed  # noqa: E402

COUNT = 10


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder))
        try:
            bed.engine.up()
            done = bed.type("drill", "preemption", "--count", str(COUNT), timeout_s=600)
            print(done.stdout + done.stderr)
        finally:
            bed.engine.destroy()


if __name__ == "__main__":
    main()
