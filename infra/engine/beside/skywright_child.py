"""One job in a process of its own: a Pulumi program, or a module that is a provider or a policy pack."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import runpy
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

EXIT_SHOWN = 32
"""A program's exit status when the user has already seen why it failed."""

COLLECTED_AFTER = 50_000
"""Objects made before the collector looks for cycles among them. What an SDK's import and a program make lives as long
as the process: at Python's own 700 a third of the time of `review azure-prod` went into looking at it again."""

Job = dict[str, Any]
"""What a child shall run: {"cwd", "argv", "environ" | None} and either "module" (with "is_safe") or "program" (with its
settings)."""


def perform(job: Job) -> int:
    """Run a job in this process, to be called once; its exit status."""
    if job.get("environ") is not None:
        os.environ.clear()
        os.environ.update(job["environ"])
    os.chdir(job["cwd"])
    sys.argv = list(job["argv"])
    gc.set_threshold(COLLECTED_AFTER)
    try:
        if "program" in job:
            return run_program(job["program"])
        return run_module(job["module"], is_safe=job.get("is_safe", False))
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        sys.stderr.write(f"{stop.code}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def run_module(name: str, *, is_safe: bool = False) -> int:
    """`python -u -m NAME`: unbuffered, the working folder first in the path unless `is_safe` (-P)."""
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), write_through=True)
    if not is_safe:
        sys.path.insert(0, str(Path.cwd()))
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def run_program(program: dict[str, Any]) -> int:
    """A Pulumi program against the engine's monitor. 32 when it failed and the engine was told why."""
    import pulumi
    import pulumi.runtime

    path = str(program["path"])
    sys.path.insert(0, path if Path(path).is_dir() else str(Path(path).parent))
    pulumi.runtime.set_all_config(program["config"], program["secret_keys"])
    pulumi.runtime.configure(pulumi.runtime.Settings(**program["settings"]))
    # A program that fails leaves futures that nobody awaits: asyncio's complaints about them would bury the reason.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # As many calls to the engine at once as the official host allows.
    pool = ThreadPoolExecutor(max_workers=4 * min(max(program["settings"]["parallel"], 1), 64))
    loop.set_default_executor(pool)

    def main() -> None:
        runpy.run_path(path, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(main))
    except Exception as error:
        pulumi.log.error(explain(error))
        return EXIT_SHOWN
    finally:
        pool.shutdown(wait=True)
        loop.close()
    return 0


def end_with_parent(parent: int) -> None:
    """End this process, whatever it does, soon after `parent` (the process that started it) is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def explain(error: BaseException) -> str:
    """What the user reads: one line for a mistake that they can mend, else the traceback from their own code on."""
    import pulumi

    known = any(
        (kind.__module__, kind.__name__) == ("catalog.errors", "SkywrightError") for kind in type(error).__mro__
    )
    if known or isinstance(error, pulumi.RunError):
        return str(error)
    lines = traceback.format_exception(type(error), error, user_frames(error.__traceback__))
    return "Program failed with an unhandled exception:\n" + "".join(lines)


def user_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames above the user's program; all of it when the program is nowhere in it."""
    import pulumi

    ours = (
        __file__,
        runpy.__file__,
        "<frozen runpy>",
        str(Path(pulumi.__file__).parent),
        str(Path(asyncio.__file__).parent),
    )
    frame = frames
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(ours):
        frame = frame.tb_next
    return frame or frames
