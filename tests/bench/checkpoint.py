"""What checkpointing takes from a training loop: `python tests/bench/checkpoint.py [SECONDS]`.

One run of the digits job on two ranks, long enough for many saves, in a spot pool that fails every five minutes. Prints
the share of the loop's time that saves blocked it, and with the steps that ran slower beside the writer; goal <= 2 %.
Overheads are measured inside one run: on shared cores two runs differ by more than what is looked for.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "ml_jobs" / "runtime"))

from ranks import SINGLE_THREADED, JobRun

from ml_jobs.train.digits import JOB


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as root:
        summary, saves = measure(Path(root), seconds)
    loop_s = length_of(summary)
    blocked = 100 * summary["blocked_s"] / loop_s
    slowed = 100 * (summary["blocked_s"] + summary["slowed_s"]) / loop_s
    print(f"loop {loop_s:.1f} s, {summary['steps']} steps, median step {1000 * summary['step_s']:.2f} ms")
    print(f"{len(saves)} checkpoints, median save {1000 * statistics.median(s['save_s'] for s in saves):.1f} ms")
    print(f"median blocked {1000 * statistics.median(s['blocked_s'] for s in saves):.2f} ms a save")
    print(f"blocked / loop {blocked:.3f} %  (goal <= 2 %); with slower steps beside the writer {slowed:.3f} %")
    print(
        f"flags {1e6 * summary['flags_s'] / summary['steps']:.0f} us a step ({100 * summary['flags_s'] / loop_s:.2f} %)"
    )
    return 0 if blocked <= 2 else 1


def length_of(summary: dict[str, float]) -> float:
    """The loop's length in seconds."""
    return summary["useful_s"] + summary["blocked_s"] + summary["flags_s"]


def measure(root: Path, seconds: float) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Summary and checkpoint events of one run of at least `seconds`, its length found by shorter runs before it."""
    epochs, summary = 4, {"useful_s": 0.0, "blocked_s": 0.0, "flags_s": 0.0}
    while length_of(summary) < seconds:
        spec = JOB.model_dump(mode="json", by_alias=True, exclude={"params", "entry"})
        params = {**JOB.params, "epochs": epochs}
        run = JobRun(root / str(epochs), None, {**spec, "entry": "sample_jobs:train_digits", "params": params})  # type: ignore[arg-type]
        run.root.mkdir()
        run.mtbf_s = 300.0
        env = {**os.environ, **run.environment(), **SINGLE_THREADED, "PYTHONPATH": sys.path[0]}
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        subprocess.run([*launcher, "-m", "ml_jobs.runtime.main"], env=env, check=True, capture_output=True)
        summary = json.loads((run.folder / "summary.json").read_text())
        saves = run.events("checkpoint")
        per_epoch_s = summary["step_s"] * summary["steps"] / epochs  # the median step: the first ones are slow
        epochs = max(epochs + 1, int(1.2 * seconds / per_epoch_s))
    return summary, saves


if __name__ == "__main__":
    sys.exit(main())
