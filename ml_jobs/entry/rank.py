"""One rank's process: the runtime, ended with the entry point that started it, however that one ends."""

from __future__ import annotations

import signal
import sys

from ml_jobs.local.process import die_with_parent
from ml_jobs.runtime.main import main

if __name__ == "__main__":
    die_with_parent(signal.SIGKILL)
    sys.exit(main())
