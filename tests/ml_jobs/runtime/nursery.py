"""A preloaded parent that forks ranks for the tests: one JSON request a line in, one answer a line out.

{"op": "start", "env": {...}, "log": path, "limits": {"fsize": bytes}} -> {"pid": n}
{"op": "wait", "pid": n, "timeout_s": s} -> {"code": n | null}
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any


def start(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(request["env"])
        if size := request.get("limits", {}).get("fsize"):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        code = importlib.import_module("ml_jobs.runtime.main").main()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def wait(pid: int, timeout_s: float) -> int | None:
    deadline = time.monotonic() + timeout_s
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.005)


def main() -> None:
    from ml_jobs.local.process import die_with_parent

    die_with_parent()
    for module in ("ml_jobs.runtime.preload", *sys.argv[1:]):
        importlib.import_module(module)
    sys.stdout.write(json.dumps({"threads": len(list(Path("/proc/self/task").iterdir()))}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "start":
            answer: dict[str, Any] = {"pid": start(request)}
        else:
            answer = {"code": wait(request["pid"], request["timeout_s"])}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
