"""The most memory that a process has held when it has built one cloud's platform, under mocks; and beside it, what the
SDK's classes alone take.
"""

from __future__ import annotations

import json
import sys

from cloud_import import named
from rounds import REPO, child, clouds, stack_of

GOAL_MB = 250

HELD = """
def held():
    # VmHWM is of this program alone; ru_maxrss would begin at that of the process which started it.
    with open("/proc/self/status") as status:
        found = {line.split(":")[0]: line.split()[1] for line in status if line.startswith(("VmHWM", "VmRSS"))}
    return f"{int(found['VmHWM']) // 1024} {int(found['VmRSS']) // 1024}"
"""
"""Gives megabytes: the most, and now."""
PLATFORM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import recording
settings = recording.from_file(Path(sys.argv[1]))
recording.run(settings, lambda: recording.platform(settings).contract)
print(held())
"""
CLASSES = """
import json, sys
from importlib import import_module
import pulumi
for package, path in json.loads(sys.argv[1]):
    found = import_module(package)
    for part in path.split("."):
        found = getattr(found, part)
print(held())
"""


def main() -> int:
    is_missed = False
    for cloud in clouds():
        ours, left = map(int, child(HELD + PLATFORM, str(stack_of(cloud)), str(REPO / "tests" / "bench")).split())
        classes, _ = map(int, child(HELD + CLASSES, json.dumps(named(cloud))).split())
        verdict = "" if ours <= GOAL_MB else "  MISSED"
        told = f"{ours} MB (goal <= {GOAL_MB}), {left} MB once built; its SDK's classes alone {classes} MB"
        print(f"memory {stack_of(cloud).stem.removeprefix('Pulumi.'):16} {told}{verdict}")
        is_missed |= ours > GOAL_MB
    return 1 if is_missed else 0


if __name__ == "__main__":
    sys.exit(main())
