"""A rank without torch: counts steps, saves them, ends as the job's parameters say.

params: steps, step_s; exit: {"<attempt>": code} ends rank 0 with that code at half of its steps; ignore_term: a notice
changes nothing; child: leave a process behind.
Ranks must not run twice at once: rank r of a job holds a lock file, and says so in the run's folder when it can't.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    folder = Path(os.environ["SKYWRIGHT_RUN_DIR"])
    rank, attempt = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    job = json.loads(Path(os.environ["SKYWRIGHT_JOB"]).read_text())
    params = job["params"]
    lock = open(folder / f"lock-{rank}", "w")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        (folder / "ran-twice").touch()
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: None if params.get("ignore_term") else stopping.append(1))
    saved = folder / f"step-{rank}"
    step = int(saved.read_text()) if saved.exists() else 0
    if params.get("child"):
        (folder / "child").write_text(str(subprocess.Popen(["sleep", "600"]).pid))
    if rank == 0 and attempt:
        event("resumed", step=step, load_s=0.001)
    sys.stdout.write(f"rank {rank} attempt {attempt} from {step} {os.environ.get('SECRET', '')}\n")
    while step < params.get("steps", 5):
        if stopping:
            return 75
        time.sleep(params.get("step_s", 0.02))
        step += 1
        aside = folder / f"step-{rank}.tmp"
        aside.write_text(str(step))
        aside.replace(saved)
        if rank == 0:
            event("checkpoint", step=step)
            event("metrics", step=step, values={"loss": 1 / step})
        if rank == 0 and step >= params.get("steps", 5) / 2 and (code := params.get("exit", {}).get(str(attempt))):
            return int(code)
    if rank == 0:
        (folder / "summary.json").write_text(json.dumps({"steps": step, "useful_s": step * params.get("step_s", 0.02)}))
    return 0


def event(kind: str, **fields: object) -> None:
    handle = os.open(Path(os.environ["SKYWRIGHT_RUN_DIR"]) / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, json.dumps({"at": time.time(), "type": kind, **fields}).encode() + b"\n")
    os.close(handle)
