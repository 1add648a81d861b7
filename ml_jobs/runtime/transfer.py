"""Large objects in parts: a part that was sent is not sent again after a dropped connection.

S3 and Blob Storage take parts in any order, several at a time; Cloud Storage takes one stream and tells how far it got.
Reading asks for ranges, likewise. Every request is tried again by itself (retry.py), also when nobody takes what it
sends: not every library bounds how long it waits for a peer that reads no more.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from ml_jobs.runtime.retry import repeat

PART = 16 << 20
"""Bytes of a part: S3 takes 10,000 parts of 5 MiB or more, Blob Storage 50,000 blocks of up to 4,000 MiB, Cloud Storage
multiples of 256 KiB. An object of more than one part is sent and read in parts."""
AT_ONCE = 4
MAX_PARTS = 10_000
SEND_S, SLOWEST = 60.0, 128 << 10
"""Seconds, and bytes per second, that one request may take to send: SEND_S and what its bytes take at SLOWEST."""


class Changed(OSError):
    """An object was replaced while it was read."""


def part_size(size: int) -> int:
    """Bytes of a part of an object of `size` bytes, so that MAX_PARTS are enough; whole multiples of PART."""
    return PART * max(1, -(-size // (PART * MAX_PARTS)))


def write(fs: Any, path: str, data: bytes) -> None:
    """Put `data` at `path`, replacing what is there, whole or not at all."""
    size = part_size(len(data))
    if len(data) <= size or (kind := _KINDS.get(_protocol(fs))) is None:
        bound = {"timeout": _allowed_s(len(data))} if fs.async_impl else {}
        repeat(lambda: fs.pipe_file(path, data, **bound))
        return
    upload = kind(fs, path, memoryview(data), size)
    try:
        upload.send()
        fs.invalidate_cache(path)
    except BaseException:
        upload.abandon()
        raise


def read(fs: Any, path: str) -> bytes:
    """The object's bytes. Raises FileNotFoundError, and Changed when it was replaced meanwhile."""
    if _protocol(fs) not in _KINDS:
        return bytes(repeat(lambda: fs.cat_file(path)))
    before = repeat(lambda: _info(fs, path))
    size = int(before["size"] or 0)
    if size <= PART:
        return bytes(repeat(lambda: fs.cat_file(path)))

    def one(start: int) -> bytes:
        end = min(start + PART, size)
        found = bytes(fs.cat_file(path, start=start, end=end))
        if len(found) != end - start:  # closed before its end
            raise ConnectionResetError(f"{path}: {len(found)} of {end - start} bytes came")
        return found

    parts = _at_once(partial(repeat, partial(one, start)) for start in range(0, size, PART))
    if (after := repeat(lambda: _info(fs, path))) != before:
        raise Changed(f"it was replaced while it was read: {before} became {after}")
    return b"".join(parts)


def _allowed_s(size: int) -> float:
    return SEND_S + size / SLOWEST


def _protocol(fs: Any) -> str:
    return fs.protocol if isinstance(fs.protocol, str) else str(fs.protocol[0])


def _info(fs: Any, path: str) -> dict[str, Any]:
    """What tells one object of a name from its successor."""
    fs.invalidate_cache()
    found = fs.info(path)
    return {key: found.get(key) for key in ("size", "ETag", "etag", "generation")}


def _at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="transfer") as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class Upload(Protocol):
    """One object on its way. `send` returns once it is there whole; `abandon` never raises."""

    def __init__(self, fs: Any, path: str, data: memoryview, part: int) -> None: ...

    def send(self) -> None: ...

    def abandon(self) -> None: ...


class S3Upload:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html"""

    def __init__(self, fs: Any, path: str, data: memoryview, part: int) -> None:
        self._fs, self._data, self._part, self._path = fs, data, part, path
        bucket, key, _ = fs.split_path(path)
        self._name = {"Bucket": bucket, "Key": key}
        self._id: str | None = None

    def send(self) -> None:
        made = repeat(lambda: self._fs.call_s3("create_multipart_upload", **self._name))
        self._id = made["UploadId"]
        starts = range(0, len(self._data), self._part)
        parts = _at_once(partial(repeat, partial(self._one, at)) for at in starts)
        whole = {"Parts": parts}
        call = {**self._name, "UploadId": self._id, "MultipartUpload": whole}
        repeat(lambda: self._complete(call))
        self._id = None

    def _one(self, start: int) -> dict[str, Any]:
        number = start // self._part + 1
        body = bytes(self._data[start : start + self._part])
        call = {**self._name, "UploadId": self._id, "PartNumber": number, "Body": body}
        answer = self._fs.call_s3("upload_part", **call, timeout=_allowed_s(len(body)))
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _complete(self, call: dict[str, Any]) -> None:
        try:
            self._fs.call_s3("complete_multipart_upload", **call)
        except FileNotFoundError:  # no such upload: completed, if the answer was lost
            if int(_info(self._fs, self._path)["size"] or 0) != len(self._data):
                raise

    def abandon(self) -> None:
        if self._id is not None:
            with contextlib.suppress(Exception):  # else the bucket's own rule for unfinished uploads removes it
                self._fs.call_s3("abort_multipart_upload", **self._name, UploadId=self._id)


class GcsUpload:
    """https://cloud.google.com/storage/docs/performing-resumable-uploads"""

    def __init__(self, fs: Any, path: str, data: memoryview, part: int) -> None:
        self._fs, self._path, self._data, self._part = fs, path, data, part
        self._session: str | None = None
        self._is_unsure = False

    def send(self) -> None:
        from fsspec.asyn import sync
        from gcsfs.core import initiate_upload  # type: ignore[import-untyped]

        bucket, key, _ = self._fs.split_path(self._path)
        self._session = repeat(lambda: str(sync(self._fs.loop, initiate_upload, self._fs, bucket, key)))
        offset: int | None = 0
        while offset is not None:
            offset = repeat(partial(self._one, offset))
        self._session = None

    def _one(self, offset: int) -> int | None:
        """Send the part at `offset`; the next offset, None when all is there. After a failure it asks how far it is."""
        if self._is_unsure:
            reached = self._put(b"", f"bytes */{len(self._data)}")
            self._is_unsure = False
            if reached is None or reached != offset:
                return reached
        body = bytes(self._data[offset : offset + self._part])
        self._is_unsure = True
        reached = self._put(body, f"bytes {offset}-{offset + len(body) - 1}/{len(self._data)}")
        self._is_unsure = False
        return reached

    def _put(self, body: bytes, content_range: str) -> int | None:
        """One request of the session, by the filesystem's own connections; its answer 308 says how far it is."""
        from fsspec.asyn import sync
        from gcsfs.retry import validate_response  # type: ignore[import-untyped]

        async def ask() -> tuple[int, str, bytes]:
            await self._fs._set_session()
            headers = {"Content-Range": content_range}
            self._fs.credentials.apply(headers)
            request = self._fs.session.put(self._session, data=body, headers=headers, allow_redirects=False)
            async with request as answer:
                return answer.status, answer.headers.get("Range", ""), await answer.read()

        code, reached, content = sync(self._fs.loop, ask, timeout=_allowed_s(len(body)))
        if code == 308:
            return int(reached.rpartition("-")[2]) + 1 if reached else 0
        validate_response(code, content, self._path)
        if (size := int(json.loads(content)["size"])) != len(self._data):
            raise OSError(f"the store ended the upload at {size} of {len(self._data)} bytes; write it again")
        return None

    def abandon(self) -> None:
        """Cloud Storage forgets a session after a week."""


class BlobUpload:
    """https://learn.microsoft.com/rest/api/storageservices/put-block"""

    def __init__(self, fs: Any, path: str, data: memoryview, part: int) -> None:
        self._fs, self._data, self._part = fs, data, part
        self._container, self._blob, _ = fs.split_path(path)

    def send(self) -> None:
        starts = range(0, len(self._data), self._part)
        blocks = _at_once(partial(repeat, partial(self._one, at)) for at in starts)
        repeat(lambda: self._with("commit_block_list", blocks))

    def _one(self, start: int) -> str:
        block = base64.b64encode(f"{start:020d}".encode()).decode()
        self._with("stage_block", block, bytes(self._data[start : start + self._part]))
        return block

    def _with(self, method: str, *values: Any) -> None:
        from fsspec.asyn import sync

        async def call() -> None:
            client = self._fs.service_client.get_blob_client(container=self._container, blob=self._blob)
            async with client:
                await getattr(client, method)(*values)

        sync(self._fs.loop, call, timeout=_allowed_s(self._part))

    def abandon(self) -> None:
        """Blob Storage forgets uncommitted blocks after a week."""


_KINDS: dict[str, type[Upload]] = {"s3": S3Upload, "gs": GcsUpload, "gcs": GcsUpload, "abfs": BlobUpload}
