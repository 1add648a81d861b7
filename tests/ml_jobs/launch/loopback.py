"""A server on the loopback whose answers a test's stand gives."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Loopback:
    """Serves from its making on; `answer` gives what a request gets: (HTTP code, text, JSON's data, or None)."""

    def __init__(self) -> None:
        self._server = _server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def decoded(self, data: bytes) -> Any:
        return json.loads(data)

    def answer(self, http: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        raise NotImplementedError


def _server(stand: Loopback) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            at = urlsplit(self.path)
            body = stand.decoded(data) if data.startswith(b"{") else None
            code, told = stand.answer(self.command, at.path, parse_qs(at.query), body)
            text = told.encode() if isinstance(told, str) else b"" if told is None else json.dumps(told).encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain" if isinstance(told, str) else "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = _answer

        def log_message(self, format: str, *args: Any) -> None: ...

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
