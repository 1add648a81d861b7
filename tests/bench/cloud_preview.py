"""The engine's preview of production on AWS, stand-ins passing all, against that of a flat program.

The flat program declares the same resources by the same classes, with plain values: no components, no settings, no
policies on either side. Seconds are of the clock, the engine and the stand-ins included.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flat
from recording import constructions, settings_of
from rounds import REPO, interleaved, stack_of

from infra.engine.run import Engine
from infra.rehearsal import bed as beds

GOAL = 1.2
CLOUD = "aws"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, passing(Path(folder)) as bed:
        other = flat_engine(Path(folder), bed)
        theirs, mine = other.preview(), bed.engine.preview()
        print(f"previewed: flat {theirs.changes}, ours {mine.changes}")
        measured = interleaved(lambda: seconds(other), lambda: seconds(bed.engine))
    print(measured.line(f"preview {bed.stack}", GOAL))
    return 1 if measured.ratio > GOAL else 0


@contextmanager
def passing(folder: Path, *, is_strict: bool = False) -> Iterator[beds.Bed]:
    """A bed of the cloud's example, whose engine has no policies."""
    with beds.made(REPO, stack_of(CLOUD), folder / f"bed-{is_strict}", is_strict=is_strict) as bed:
        bed.engine.policy_pack = None
        yield bed


def flat_engine(folder: Path, bed: beds.Bed) -> Engine:
    """The same engine on the flat program, beside the same kind of stand-ins."""
    project = folder / "flat"
    project.mkdir()
    (project / ".venv").symlink_to(REPO / ".venv")
    shutil.copytree(REPO / "ml_jobs", project / "ml_jobs", ignore=shutil.ignore_patterns("__pycache__"))
    (project / "Pulumi.yaml").write_text(
        "name: flat\nruntime:\n  name: python\n  options: {toolchain: pip, virtualenv: .venv}\n"
    )
    (project / "__main__.py").write_text(flat.program(constructions(settings_of(CLOUD))))
    engine = Engine(project, "flat", has_policies=False, is_offline=True, environ=bed.environ)
    engine.ensure_stack()
    return engine


def seconds(engine: Engine) -> float:
    began = time.monotonic()
    engine.preview()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
