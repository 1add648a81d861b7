"""What every process of the local stack does first: read its config, take its lock, end with its supervisor."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from pydantic import Field

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Record

_held: list[TextIO] = []  # locks live as long as the process


class ServiceConfig(Record):
    """A process's config file. Paths are absolute; `peers` are the URLs of the other processes by name."""

    name: str
    stack: str
    environment: str
    root: str = Field(description="the stack's folder")
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    issuer_key: str = Field(description="file of the public key that tokens are verified with")
    issuer_fingerprint: str = Field("", description="of that key: a new key is a new config, and a new start")
    token_file: str | None = Field(None, description="the token that this process shows to others")
    artifacts_url: str
    holds_file: str
    peers: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: str) -> ServiceConfig:
        try:
            return cls.read(json.loads(Path(path).read_text()), where=path)
        except (OSError, json.JSONDecodeError) as error:
            raise UserError(f"config file {path} can't be read: {error}", "Run `pulumi up` to write it anew.") from None


def adopt(config: ServiceConfig) -> None:
    """Be the only process of this name, counted, and end when the supervisor ends."""
    die_with_parent()
    run = Path(config.root) / "run"
    run.mkdir(parents=True, exist_ok=True)
    _take_lock(run / f"{config.name}.lock")
    with open(run / f"{config.name}.starts", "a") as starts:  # the provider empties it before a start of its own
        starts.write(f"{time.time():.3f} {os.getpid()}\n")


def _take_lock(path: Path, wait_s: float = 30) -> None:
    file = open(path, "w")  # noqa: SIM115  (held until the process ends)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise SkywrightError(f"{path} is held by another process", "End it, or run `skywright down`.") from None
            time.sleep(0.1)
    file.write(str(os.getpid()))
    file.flush()
    _held.append(file)


def die_with_parent(sig: int = signal.SIGTERM) -> None:
    """Get `sig` when the parent ends, however it ends."""
    parent = os.getppid()
    if platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, sig, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os.kill(os.getpid(), sig)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), sig)

    threading.Thread(target=watch, daemon=True).start()


def serve(config: ServiceConfig, app: Any, *, drain_s: int = 10, keep_alive_s: int = 75) -> None:
    """Answer HTTP until SIGTERM, then finish what is in flight. Ends the process with 1 when the port is taken.

    Idle connections are kept longer than any client of ours keeps them, so that a request never meets one that closes.
    """
    import uvicorn

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again once it has drained
    uvicorn.run(
        app,
        host=config.host,
        port=config.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=drain_s,
        timeout_keep_alive=keep_alive_s,
        lifespan="on",
    )


def main(start: Any) -> None:
    """`python -m module CONFIG.json`: load, adopt, start; a mistake is one line on stderr."""
    try:
        if len(sys.argv) != 2:
            raise UserError("one argument is needed: the config file")
        config = ServiceConfig.load(sys.argv[1])
        adopt(config)
        start(config)
    except SkywrightError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from None
