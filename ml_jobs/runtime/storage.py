"""Folders by fsspec URL, published whole or not at all.

On a local disk a folder is written aside, flushed and renamed. An object store can't rename: there the file named last
(the manifest) is written last, and a folder without it does not exist for its readers.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError, UserError
from ml_jobs.runtime import transfer
from ml_jobs.runtime.retry import chain, is_refused, repeat, status

ASIDE = ".part-"
_LOCAL = ("file", "local")


class StorageError(SkywrightError):
    """A store can't be read or written: full, read-only, gone, refused."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class AccessRefused(StorageError):
    """A store does not know, or does not let in, who asks."""


_ERRNOS = {
    errno.ENOSPC: "Free the disk; what was saved before stands.",
    errno.EDQUOT: "Raise the quota or free space; what was saved before stands.",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f).",
    errno.EROFS: "Mount the disk writable.",
    errno.EACCES: "Mend its rights.",
    errno.EPERM: "Mend its rights.",
}

_SIGN_IN = {
    "s3": "Give the process AWS credentials (a role, a profile, or AWS_ACCESS_KEY_ID and its fellows) that may use it.",
    "gs": "Give the process Google credentials (a service account, or GOOGLE_APPLICATION_CREDENTIALS) that may use it.",
    "abfs": "Give the process an Azure identity (a managed one with AZURE_CLIENT_ID, or `az login`) that may use it.",
}


def explain(error: BaseException, url: str, doing: str) -> StorageError:
    """An OSError (or a store's own error) as one line with a remedy."""
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    why = " ".join(why.split())[:400]
    scheme = _scheme(url)
    if scheme not in _LOCAL and is_refused(error):
        is_expired = any("expired" in str(link).lower() for link in chain(error))
        what = "credentials have expired" if is_expired else "access is refused"
        return AccessRefused(f"{url} can't be {doing}: {what}: {why}", _SIGN_IN.get(scheme, ""))
    number = getattr(error, "errno", None) or 0
    return StorageError(f"{url} can't be {doing}: {why}", _ERRNOS.get(number, "") if scheme in _LOCAL else "")


def _scheme(url: str) -> str:
    """The URL's scheme; aliases as their first name, a path as `file`."""
    scheme = url.split("://", 1)[0] if "://" in url else "file"
    return {"s3a": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs"}.get(scheme, scheme)


def options(scheme: str, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What a store is opened with. Endpoints and credentials come from each SDK's standard variables and files:
    AWS_*, GOOGLE_APPLICATION_CREDENTIALS and STORAGE_EMULATOR_HOST, AZURE_*.
    """
    if scheme in (*_LOCAL, "memory"):
        return {}
    fresh: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "s3":  # what may be repeated is repeated by retry.py, not by three layers at once
        quick = {"connect_timeout": 10, "read_timeout": 30, "retries": {"total_max_attempts": 1}}
        return fresh | {"config_kwargs": quick, "default_cache_type": "none"}
    if scheme == "gs":  # without a token's kind gcsfs would go on as nobody
        # A folder of gcsfs's newer kind asks over gRPC for the bucket's layout first, a minute where that is refused.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        return fresh | {"token": "anon" if env.get("STORAGE_EMULATOR_HOST") else "google_default"}
    return fresh


class Folder:
    """A folder of a store. Names inside it are single path components or posix paths below it."""

    def __init__(self, url: str) -> None:
        """`url`: an fsspec URL (file://, s3://, gs://, abfs://, memory://) or a local path."""
        import fsspec

        self.url = url.rstrip("/")
        scheme = _scheme(url)
        try:
            self._fs, path = fsspec.core.url_to_fs(self.url, **options(scheme))
        except (ImportError, ValueError) as error:
            raise UserError(
                f"storage URL {url!r} can't be opened: {error}",
                "Install the cloud's extra (aws, gcp, azure), or use a file:// URL.",
            ) from None
        except Exception as error:
            raise explain(error, url, "opened") from None
        self._root = str(path)
        self.is_local = scheme in _LOCAL

    def child(self, name: str) -> Folder:
        return Folder(f"{self.url}/{name}")

    def names(self) -> list[str]:
        """What lies directly in the folder, sorted; nothing when there is no such folder."""
        try:
            found = repeat(lambda: self._fs.ls(self._root, detail=False, refresh=True))
        except FileNotFoundError:
            return []
        except Exception as error:
            raise explain(error, self.url, "listed") from None
        names = (str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)
        return sorted(name for name in names if name)

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises FileNotFoundError, or StorageError for anything else."""
        try:
            return transfer.read(self._fs, f"{self._root}/{name}")
        except (FileNotFoundError, IsADirectoryError):
            raise FileNotFoundError(f"{self.url}/{name}") from None
        except Exception as error:
            raise explain(error, f"{self.url}/{name}", "read") from None

    def write(self, name: str, data: bytes) -> None:
        """Write one file, whole or not at all; one of that name is replaced. Raises StorageError."""
        if self.is_local:
            write_atomic(Path(self._root) / name, data)
            return
        try:
            transfer.write(self._fs, f"{self._root}/{name}", data)
        except Exception as error:
            raise explain(error, f"{self.url}/{name}", "written") from None

    def publish(self, name: str, files: Mapping[str, bytes], *, last: str) -> int:
        """Write `files` as the folder `name`, whole or not at all; `last` is the file that makes it whole.

        A folder of that name is replaced. Returns the bytes written. Raises StorageError, and leaves nothing behind.
        """
        try:
            if self.is_local:
                self._publish_local(name, files)
            else:
                self._publish_object(name, files, last)
        except SkywrightError:
            raise
        except Exception as error:
            raise explain(error, f"{self.url}/{name}", "written") from None
        return sum(map(len, files.values()))

    def _publish_local(self, name: str, files: Mapping[str, bytes]) -> None:
        root = Path(self._root)
        aside = root / f"{ASIDE}{name}-{uuid.uuid4().hex[:8]}"
        try:
            aside.mkdir(parents=True)
            for path, data in files.items():
                target = aside / path
                target.parent.mkdir(parents=True, exist_ok=True)
                _write_flushed(target, data)
            _flush_folder(aside)
            final = root / name
            if final.exists():  # a torn or older one: a rename can't replace a folder that isn't empty
                old = root / f"{ASIDE}{name}-{uuid.uuid4().hex[:8]}"
                final.rename(old)
                aside.rename(final)
                shutil.rmtree(old, ignore_errors=True)
            else:
                aside.rename(final)
            _flush_folder(root)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def _publish_object(self, name: str, files: Mapping[str, bytes], last: str) -> None:
        base = f"{self._root}/{name}"
        with contextlib.suppress(FileNotFoundError):
            repeat(lambda: self._fs.rm_file(f"{base}/{last}"))  # not whole from here on
        try:
            for path in [*(path for path in files if path != last), *([last] if last in files else [])]:
                transfer.write(self._fs, f"{base}/{path}", files[path])
        except BaseException:
            with contextlib.suppress(Exception):
                self._fs.rm(base, recursive=True)
            raise

    def create(self, name: str, data: bytes) -> bool:
        """Put one file where none is; False, and nothing done, where one stands. One of many writers wins."""
        try:
            if self.is_local:
                return _create_local(Path(self._root) / name, data)
            repeat(lambda: self._fs.pipe_file(f"{self._root}/{name}", data, mode="create"))
        except FileExistsError:
            return False
        except Exception as error:
            if status(error) in (409, 412):
                return False
            raise explain(error, f"{self.url}/{name}", "written") from None
        return True

    def remove(self, name: str, *, first: str | None = None) -> None:
        """Remove the folder `name`; `first` is the file whose absence makes it not whole. Missing is fine."""
        try:
            if self.is_local:
                shutil.rmtree(Path(self._root) / name)
                return
            if first:
                with contextlib.suppress(FileNotFoundError):
                    repeat(lambda: self._fs.rm_file(f"{self._root}/{name}/{first}"))
            repeat(lambda: self._fs.rm(f"{self._root}/{name}", recursive=True))
        except FileNotFoundError:
            pass
        except Exception as error:
            raise explain(error, f"{self.url}/{name}", "removed") from None

    def sweep(self) -> None:
        """Remove what dead writers left aside. Only for a folder with one writer at a time."""
        if self.is_local and Path(self._root).is_dir():
            for path in Path(self._root).glob(f"{ASIDE}*"):
                shutil.rmtree(path, ignore_errors=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace one local file, whole or not at all. Raises StorageError."""
    aside = path.with_name(f"{ASIDE}{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_flushed(aside, data)
        aside.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise explain(error, str(path), "written") from None


def _create_local(path: Path, data: bytes) -> bool:
    aside = path.with_name(f"{ASIDE}{path.name}-{uuid.uuid4().hex[:8]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_flushed(aside, data)
        os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        aside.unlink(missing_ok=True)
    _flush_folder(path.parent)
    return True


def _write_flushed(path: Path, data: bytes) -> None:
    file: Any
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
