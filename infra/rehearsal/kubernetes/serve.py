"""A cluster's API server for as long as this runs, the operators' definitions loaded; prints its kubeconfig's path.

python -m infra.rehearsal.kubernetes.serve [FOLDER]
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.rehearsal.kubernetes import server, snapshot


@contextmanager
def cluster(folder: Path) -> Iterator[server.Server]:
    """A server in `folder` that knows the operators' kinds; `folder`/kubeconfig is its administrator's."""
    if not (folder / "etcd").exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        snapshot.unpacked(folder / "etcd")
    with server.running_in(folder) as running:
        write(folder / "kubeconfig", running)
        yield running


def write(path: Path, running: server.Server, user: str = server.ADMIN) -> None:
    """A kubeconfig file. JSON is YAML."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(running.kubeconfig(user), indent=2))


if __name__ == "__main__":
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="skywright-cluster-"))
    with cluster(given):
        sys.stdout.write(f"{given / 'kubeconfig'}\n")
        sys.stdout.flush()
        stopping.wait()
