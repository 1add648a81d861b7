"""The scheduler's end of the agent: start it, speak to it, notice its death, start another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from ml_jobs.local.scheduler.agent import SINGLE_THREADED

RESTART_S = (0.0, 0.1, 0.5, 2.0, 5.0)
"""Pauses before another agent is started, when one after the other dies before it was ready."""


class Agency:
    """One agent at a time. `on_event` gets its messages, and {"event": "died"} when it is gone with all its ranks.

    Requests sent while no agent is up wait for the next one, except that a death forgets them: who asked hears of it.
    """

    def __init__(self, rank_main: str, preload: tuple[str, ...], on_event: Callable[[dict[str, Any]], None]) -> None:
        self.rank_main = rank_main
        self.preload = preload
        self.on_event = on_event
        self.pid: int | None = None
        self.is_ready = False
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    def open(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """End the agent, and with it whatever still runs."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def up(self) -> None:
        """Wait until there is an agent to speak to; it may still be importing."""
        await self._up.wait()

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    def start(self, key: str, env: dict[str, str], log: str) -> None:
        self._send(op="start", key=key, env=env, log=log)

    def signal(self, key: str, number: int) -> None:
        self._send(op="signal", key=key, signal=number)

    def _send(self, **request: Any) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(json.dumps(request).encode() + b"\n")

    async def _keep(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(RESTART_S[min(failures, len(RESTART_S) - 1)])
            was_ready = await self._one()
            failures = 0 if was_ready else failures + 1
            self.on_event({"event": "died"})

    async def _one(self) -> bool:
        """One agent's life; whether it ever was ready."""
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ml_jobs.local.scheduler.agent",
                str(theirs.fileno()),
                self.rank_main,
                *self.preload,
            ],
            pass_fds=(theirs.fileno(),),
            env={**os.environ, **SINGLE_THREADED},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self.pid, self.is_ready = process.pid, False
        was_ready = False
        self._up.set()
        try:
            while line := await _line(reader):
                message = json.loads(line)
                if message["event"] == "ready":
                    was_ready = self.is_ready = True
                    for missing in message["missing"]:
                        sys.stderr.write(f"warning: the agent can't preload {missing}\n")
                        sys.stderr.flush()
                self.on_event(message)
        finally:
            self._up.clear()
            self._writer.close()
            self.pid, self.is_ready = None, False
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()
        return was_ready


async def _line(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await reader.readline()
    return b""
