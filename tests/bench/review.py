"""What a review costs: offline beside the bare graph, in a preview beside one without the pack, and of a big stack."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from cloud_memory import HELD
from cloud_preview import passing
from rounds import REPO, ROUNDS, child, interleaved

from infra.engine.run import Engine

SPARE_S, TIMES = 3.0, 2.0
"""The offline review may take this many times the in-process graph, and as many seconds more."""
PACK_GOAL = 1.25
MANY, MANY_GOAL_S, MANY_GOAL_MB = 5000, 5.0, 500

GRAPH = """
import sys, time
from pathlib import Path
from infra.settings import from_file
began = time.perf_counter()
from infra.reading import declared
declared(from_file(Path(sys.argv[1])))
print(time.perf_counter() - began)
"""
COMMAND = """
import subprocess, sys, time
began = time.perf_counter()
command = [sys.executable, "-m", "infra.cli", "review", sys.argv[1], "--fail-on", "never"]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - began)
"""
SCALE = (
    HELD
    + """
import sys, time, datetime, dataclasses
from pathlib import Path
from infra import reviewing
from infra.settings import from_file
settings = from_file(Path(sys.argv[1]))
subject = reviewing.subject_of(settings, Path())
one = subject.resources
def copy(item, number):
    mark = lambda urn: f"{urn}-{number}" if urn else urn
    joined = {key: tuple(map(mark, urns)) for key, urns in item.property_dependencies.items()}
    return dataclasses.replace(item, name=f"{item.name}-{number}", urn=mark(item.urn), parent=mark(item.parent),
                               property_dependencies=joined)
many = [copy(item, number) for number in range(int(sys.argv[2]) // len(one) + 1) for item in one][: int(sys.argv[2])]
before = int(held().split()[1])
began = time.perf_counter()
now = datetime.datetime.now(datetime.UTC)
reviewing.review_of(settings, dataclasses.replace(subject, resources=tuple(many)), now=now)
print(time.perf_counter() - began, int(held().split()[0]))
"""
)


def main() -> int:
    missed = False
    for stack in ("aws-prod", "gcp-prod", "azure-prod", "kubernetes-prod"):
        file = str(REPO / "stacks" / f"Pulumi.{stack}.yaml")
        found = interleaved(lambda at=file: float(child(GRAPH, at)), lambda name=stack: float(child(COMMAND, name)), 3)
        limit = TIMES * found.floor + SPARE_S
        late = found.ours > limit
        missed |= late
        print(f"review {stack:16} graph {found.floor:5.1f} s   review {found.ours:5.1f} s   "
              f"(goal <= {limit:.1f}){'  MISSED' if late else ''}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, passing(Path(folder)) as bed:
        bed.engine.up()
        pack = bed.project / "policies"
        packed = interleaved(lambda: previewed(bed.engine, None), lambda: previewed(bed.engine, pack), ROUNDS)
    print(packed.line(f"preview {bed.stack} with the pack", PACK_GOAL))
    missed |= packed.ratio > PACK_GOAL
    seconds, megabytes = child(SCALE, str(REPO / "stacks" / "Pulumi.aws-prod.yaml"), str(MANY)).split()
    late = float(seconds) > MANY_GOAL_S or int(megabytes) > MANY_GOAL_MB
    print(f"{MANY} resources: {float(seconds):.2f} s (goal <= {MANY_GOAL_S}), at most {megabytes} MB "
          f"(goal <= {MANY_GOAL_MB}){'  MISSED' if late else ''}")  # fmt: skip
    return int(missed or late)


def previewed(engine: Engine, pack: Path | None) -> float:
    engine.policy_pack = pack
    began = time.monotonic()
    engine.preview()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
