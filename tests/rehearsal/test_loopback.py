"""The clouds' APIs on the loopback end with the rehearsal, also with one that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.rehearsal.azure import ml_server
from infra.rehearsal.core import launch
from infra.rehearsal.core.account import Account
from infra.rehearsal.gcp import vertex_server

REHEARSAL = """
import sys
from pathlib import Path
from infra.rehearsal.core import loopback
from infra.rehearsal.core.account import Account
print(loopback.started(sys.argv[1], Account(Path(sys.argv[2]))), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("server", [ml_server, vertex_server])
def test_a_killed_rehearsal_leaves_no_server(tmp_path: Path, server: Any) -> None:
    account = Account(tmp_path / "account")
    with subprocess.Popen(
        [sys.executable, "-c", REHEARSAL, server.__name__, str(account.folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as rehearsal:  # fmt: skip
        assert rehearsal.stdout is not None
        assert rehearsal.stdout.readline().startswith("http://127.0.0.1:")
        (noted,) = (account.folder / launch.ENDED_WITH).iterdir()
        running = psutil.Process(int(noted.name))
        rehearsal.kill()
    assert psutil.wait_procs([running], timeout=30)[1] == []
