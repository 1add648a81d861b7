"""A sample of requests and answers, kept as JSON lines for drift checks and replays. It never slows or fails a request:
what the writer can't keep up with, or can't write, is dropped and counted.
"""

from __future__ import annotations

import os
import queue
import random
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import Field

from catalog.errors import UserError
from ml_jobs.contract import Record
from ml_jobs.serve.protocol import InferRequest, Signature
from ml_jobs.serve.tensors import Array

PENDING_BYTES = 64 << 20
"""Of tensors that wait to be written."""

REDACTED = None


class CaptureSettings(Record):
    """`redact`: tensors by name, or columns of one by number, as `features[3]`: null in what is kept."""

    url: str = Field(min_length=1, description="fsspec URL of the folder")
    sample: float = Field(1, ge=0, le=1)
    redact: tuple[str, ...] = ()
    part_bytes: int = Field(8 << 20, ge=1, description="a part is written when it has grown to this")
    part_s: float = Field(60, gt=0, description="or when its first line is this old")


class Capture:
    """Writes `<url>/<release>/<day>/<host>-<pid>-<number>.jsonl`, each part once and whole."""

    def __init__(self, settings: CaptureSettings, identity: Mapping[str, str], outcomes: Counter[str]) -> None:
        self.settings = settings
        self.identity = dict(identity)
        self.outcomes = outcomes  # written | dropped | failed
        self._redact: dict[str, list[int] | None] = {}
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._pending_bytes = 0
        self._lock = threading.Lock()
        self._number = 0
        self._said = False
        self._thread = threading.Thread(target=self._write, name="capture", daemon=True)

    def start(self, signature: Signature) -> None:
        """Raises UserError when a redaction names nothing that the model has: it would hide nothing."""
        self._redact = redactions(self.settings.redact, signature)
        self._thread.start()

    def offer(self, request: InferRequest, outputs: Mapping[str, Array], seconds: float) -> None:
        """Perhaps keep this request and its answer."""
        if self._thread.ident is None or random.random() >= self.settings.sample:
            return
        size = sum(array.nbytes for array in (*request.inputs.values(), *outputs.values()))
        with self._lock:
            if self._pending_bytes + size > PENDING_BYTES:
                self.outcomes["dropped"] += 1
                return
            self._pending_bytes += size
        told = {"at": time.time(), "id": request.id, "seconds": seconds}
        self._queue.put({"told": told, "inputs": request.inputs, "outputs": outputs, "size": size})

    def close(self, timeout_s: float = 5) -> None:
        """Write what is left, as long as that takes no longer."""
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join(timeout_s)

    def _write(self) -> None:
        lines: list[bytes] = []
        size, due = 0, 0.0
        while True:
            try:
                item = self._queue.get(timeout=max(0.01, due - time.monotonic()) if lines else None)
            except queue.Empty:
                item = {}
            if item:
                due = due if lines else time.monotonic() + self.settings.part_s
                lines.append(self._line(item))
                size += len(lines[-1])
            is_last = item is None
            if lines and (is_last or size >= self.settings.part_bytes or time.monotonic() >= due):
                self._keep(lines)
                lines, size = [], 0
            if is_last:
                return

    def _line(self, item: dict[str, Any]) -> bytes:
        with self._lock:
            self._pending_bytes -= item["size"]
        tensors = {
            kind: {name: self._shown(name, array) for name, array in item[kind].items()}
            for kind in ("inputs", "outputs")
        }
        return orjson.dumps({**self.identity, **item["told"], **tensors}, option=orjson.OPT_APPEND_NEWLINE)

    def _shown(self, name: str, array: Array) -> Any:
        if name not in self._redact:
            return array.tolist()
        columns = self._redact[name]
        if columns is None:
            return REDACTED
        rows = array.tolist()
        for row in rows:
            for column in columns:
                row[column] = REDACTED
        return rows

    def _keep(self, lines: list[bytes]) -> None:
        import fsspec

        self._number += 1
        day = time.strftime("%Y-%m-%d", time.gmtime())
        name = f"{socket.gethostname()}-{os.getpid()}-{self._number:06d}.jsonl"
        url = f"{self.settings.url.rstrip('/')}/{self.identity['release']}/{day}/{name}"
        try:
            with fsspec.open(url, "wb", auto_mkdir=True) if _is_local(url) else fsspec.open(url, "wb") as file:
                file.write(b"".join(lines))
            self.outcomes["written"] += len(lines)
            self._said = False
        except Exception as error:  # an object store's client may raise anything
            self.outcomes["failed"] += len(lines)
            if not self._said:
                sys.stderr.write(f"error: captured requests can't be written to {url}: {error}\n")
            self._said = True


def redactions(redact: tuple[str, ...], signature: Signature) -> dict[str, list[int] | None]:
    """Tensor -> its columns to hide, or None for all of it."""
    shapes = {spec.name: spec.shape for spec in (*signature.inputs, *signature.outputs)}
    found: dict[str, list[int] | None] = {}
    for item in redact:
        name, column = item, None
        if item not in shapes and (match := re.fullmatch(r"(.+)\[(\d+)\]", item)):
            name, column = match[1], int(match[2])
        is_column = column is None or (len(shapes.get(name, ())) == 2 and column < shapes[name][1])
        if name not in shapes or not is_column:
            known = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
            raise UserError(
                f"capture.redact names {item!r}, which the model does not have; it has {known}",
                "Name a tensor, or a column of one as features[0].",
            )
        if column is None:
            found[name] = None
        elif (columns := found.setdefault(name, [])) is not None:
            columns.append(column)
    return found


def _is_local(url: str) -> bool:
    return "://" not in url or url.startswith("file://")
