"""The ranks of one node: started together, told of the end together, ended together."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from types import FrameType

from catalog.errors import EXIT_PREEMPTED, EXIT_USER_ERROR

GRACE_S = 30.0
"""After the first rank ended badly the others may end by themselves, and say why; then they are killed."""

SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


def verdict(codes: Iterable[int]) -> int:
    """The gang's exit code: any 78, else the first failure (128 + the signal that killed the rank), else 75, else 0."""
    known = [128 - code if code < 0 else code for code in codes]
    if EXIT_USER_ERROR in known:
        return EXIT_USER_ERROR
    failures = [code for code in known if code not in (0, EXIT_PREEMPTED)]
    return failures[0] if failures else max(known, default=0)


class Gang:
    """Runs a command once per environment, each in a session of its own. One gang a process: it owns the signals."""

    def __init__(self, command: Sequence[str], environments: Sequence[Mapping[str, str]], *, grace_s: float = GRACE_S):
        self._command, self._environments, self._grace_s = command, environments, grace_s
        self._ranks: list[subprocess.Popen[bytes]] = []
        self._codes: dict[int, int] = {}  # in the order in which the ranks ended
        self._is_notified = False
        self._kill_at: float | None = None

    def run(self) -> dict[int, int]:
        """Start all, hand SIGTERM on, wait. Rank -> exit code, negative for a signal, in the order of their ends."""
        wake, wakened = socket.socketpair()
        wake.setblocking(False)
        wakened.setblocking(False)
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        descriptor = signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
        try:
            for environment in self._environments:
                self._ranks.append(subprocess.Popen(self._command, env=dict(environment), start_new_session=True))
            self._wait(wake)
        finally:
            self._kill()
            signal.set_wakeup_fd(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)
            wake.close()
            wakened.close()
        return self._codes

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._is_notified = True

    def _wait(self, wake: socket.socket) -> None:
        told = False
        with selectors.DefaultSelector() as selector:
            selector.register(wake, selectors.EVENT_READ)
            while True:
                self._reap()
                if len(self._codes) == len(self._ranks):
                    return
                if self._is_notified and not told:
                    told = True
                    self._tell()
                if self._kill_at is not None and time.monotonic() >= self._kill_at:
                    self._kill()
                left = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
                if selector.select(left):
                    with contextlib.suppress(BlockingIOError):
                        wake.recv(4096)

    def _reap(self) -> None:
        for index, rank in enumerate(self._ranks):
            if index in self._codes or (code := rank.poll()) is None:
                continue
            if self._is_notified and code == -signal.SIGTERM:
                code = EXIT_PREEMPTED  # it had not come to listening for a notice yet
            self._codes[index] = code
            _signal_group(rank.pid, signal.SIGKILL)  # what it left behind
            if code != 0 and self._kill_at is None:
                self._kill_at = time.monotonic() + self._grace_s

    def _tell(self) -> None:
        """To the ranks alone, not to what they started: a data loader's worker that dies fails its rank."""
        for index, rank in enumerate(self._ranks):
            if index not in self._codes:
                rank.send_signal(signal.SIGTERM)

    def _kill(self) -> None:
        for index, rank in enumerate(self._ranks):
            if index not in self._codes:
                _signal_group(rank.pid, signal.SIGKILL)
                self._codes[index] = rank.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
