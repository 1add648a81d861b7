"""A cloud's API on the loopback, for what no provider declares: a process beside the rehearsal, gone when it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

from infra.engine.beside.skywright_child import end_with_parent
from infra.rehearsal.core import launch
from infra.rehearsal.core.account import Account

Answer = Callable[[str, str, bytes], tuple[int, Any]]
"""(method, path, body) -> (status, what is sent as JSON)."""


def serve(answer: Answer) -> HTTPServer:
    """A server on a free port, not yet running. It answers one request after the other."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, told = answer(self.command, urlsplit(self.path).path, body)
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None: ...

    return HTTPServer(("127.0.0.1", 0), Handler)


def started(module: str, account: Account) -> str:
    """Start `python -m MODULE FOLDER` as a process that ends with the rehearsal; the URL that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(account.folder)], stdout=subprocess.PIPE, text=True
    )
    launch.note(account, process.pid)
    assert process.stdout is not None
    return process.stdout.readline().strip()


def run(server: HTTPServer) -> None:
    """Print the server's URL, then serve as long as the process that started this one is there."""
    end_with_parent(os.getppid())
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
