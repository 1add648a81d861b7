"""The process that keeps one API server and its etcd: starts them, and ends them with whoever the cluster is for.

    python -m infra.rehearsal.kubernetes.keeper FOLDER OWNER_PID ETCD KUBE_APISERVER [FLAG...]

It says that the server answers by writing FOLDER/server.json, and why it does not by FOLDER/failed. Providers come and
go with every command of the engine, so none of them may be its parent: it watches the owner, and ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from infra.rehearsal.kubernetes import processes

READY_S = 60.0
TRIES = 3
MEMORY = "400MiB"
"""What the API server's garbage collector aims at: it would take twice as much and be no faster."""


def main(folder: Path, owner: int, etcd: str, apiserver: str, flags: list[str]) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        since = psutil.Process(owner).create_time()
    except psutil.NoSuchProcess:
        return
    why = "it was ended while it started"
    for _ in range(TRIES):
        running: list[subprocess.Popen[bytes]] = []
        try:
            why = _start(folder, etcd, apiserver, flags, running, stopping)
            if not why:
                while not stopping.wait(0.5) and _lives(owner, since) and folder.exists():
                    if any(process.poll() is not None for process in running):
                        break
                return
        finally:
            (folder / "server.json").unlink(missing_ok=True)
            for process in reversed(running):  # the API server before its etcd
                processes.stop(process)
        if stopping.is_set() or "address already in use" not in why:
            break
    (folder / "failed").write_text(why)


def _start(
    folder: Path,
    etcd: str,
    apiserver: str,
    flags: list[str],
    running: list[subprocess.Popen[bytes]],
    stopping: threading.Event,
) -> str:
    """Start both, into `running`; empty when the server answers, else why it does not."""
    client, peer, port = processes.free_ports(3)
    logs = [folder / "etcd.log", folder / "kube-apiserver.log"]
    for log in logs:
        log.unlink(missing_ok=True)
    running.append(processes.start([etcd, *etcd_flags(folder, client, peer)], logs[0]))
    command = [apiserver, f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={port}", *flags]
    running.append(processes.start(command, logs[1], {"GOMEMLIMIT": MEMORY}))
    trust = ssl.create_default_context(cafile=str(folder / "certificates" / "ca.crt"))
    url = f"https://127.0.0.1:{port}"
    end = time.monotonic() + READY_S
    while time.monotonic() < end and not stopping.is_set():
        for process, log in zip(running, logs, strict=True):
            if process.poll() is not None:
                return f"{log.stem} ended ({processes.last_words(log)})"
        if _answers(url, trust):
            facts = {"url": url, "pid": os.getpid(), "pids": [process.pid for process in running]}
            aside = folder / ".server.json"
            aside.write_text(json.dumps(facts))
            aside.rename(folder / "server.json")
            return ""
        time.sleep(0.05)
    return f"kube-apiserver was not ready within {READY_S:g} s ({processes.last_words(logs[1])})"


def etcd_flags(folder: Path, client: int, peer: int) -> list[str]:
    """--force-new-cluster: the data may be a copy, which remembers other ports."""
    data = folder / "etcd"
    return [
        "--name=default",
        f"--data-dir={data}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        *(["--force-new-cluster"] if (data / "member").exists() else []),
    ]


def _answers(url: str, trust: ssl.SSLContext) -> bool:
    try:
        # The proxy of the environment is not for the loopback interface.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        with opener.open(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _lives(pid: int, since: float) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() == since and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
