"""A rank without PyTorch: notes the environment that it was given, then ends as its job's params say.

{"ends": {"0": 78, "1": "KILL", "2": "waits"}}: an exit code, a signal to itself, or SIGTERM's coming and 75.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from ml_jobs.runtime.events import Events

rank, folder = os.environ["RANK"], Path(os.environ["SKYWRIGHT_RUN_DIR"])
job = json.loads(Path(os.environ["SKYWRIGHT_JOB"]).read_text())
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
noted = folder / f"rank-{rank}.part"
noted.write_text(json.dumps({"env": dict(os.environ), "job": job, "pid": os.getpid()}))
noted.rename(folder / f"rank-{rank}.json")
end = job["params"].get("ends", {}).get(rank, 0)
if end == "waits":
    signal.sigwait({signal.SIGTERM})
    sys.exit(75)
if end == "hangs":
    signal.sigwait({signal.SIGUSR1})
if isinstance(end, str):
    os.kill(os.getpid(), getattr(signal, f"SIG{end}"))
if end == 78:
    Events(folder).write("failed", exit_code=78, message="params.width is 0; allowed: 1 or more", rank=int(rank))
sys.exit(end)
