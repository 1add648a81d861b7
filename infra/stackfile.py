"""A stack's file, read and changed in place: what is not changed stays byte for byte, comments and order included.

The file's YAML is parsed for the places of keys and values; an edit replaces the text between two places, and is then
parsed again and compared with what it was meant to give. A file that such an edit can't express is refused, untouched.
"""

from __future__ import annotations

import copy
import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from catalog.errors import SkywrightError, UserError
from infra import yamltext

_ABSENT = object()


class StackFile:
    """One file in memory. `set` and `remove` change the memory; `write` or `written` change the disk."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self._read = content
        try:
            self.text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not UTF-8 text (byte {error.start})", "Save it as UTF-8.") from None
        self._undo: dict[str, Any] = {}
        self.data = self._parse(self.text)

    @classmethod
    def read(cls, path: Path) -> StackFile:
        """Raises UserError in one line when there is no such file, or it is not YAML."""
        try:
            return cls(path, path.read_bytes())
        except OSError as error:
            raise UserError(f"{path} can't be read: {error.strerror}", "Check the name and the permissions.") from None

    def get(self, path: str, default: Any = None) -> Any:
        """The plain data at a path such as `config.skywright:endpoint.releases`; `default` where there is none.

        A path that begins with a config key (`skywright:endpoint.releases`) is taken below `config`.
        """
        found: Any = self.data
        for part in _parts(path):
            if not isinstance(found, Mapping) or part not in found:
                return default
            found = found[part]
        return copy.deepcopy(found)

    def set(self, path: str, value: Any) -> None:
        """Put plain data at a path; mappings on the way are made. Inside a mapping only what differs is touched."""
        parts = _parts(path)
        wanted = copy.deepcopy(self.data) if isinstance(self.data, dict) else {}
        below: Any = wanted
        for index, part in enumerate(parts[:-1]):
            below = below.setdefault(part, {})
            if below is None:
                below = _replace_empty(wanted, parts[: index + 1])
            if not isinstance(below, dict):
                raise UserError(
                    f"{self.path}: {'.'.join(parts[: index + 1])} is not a mapping, so {path} can't be set",
                    "Change the file by hand.",
                )
        below[parts[-1]] = copy.deepcopy(value)
        self._edit(path, wanted)

    def remove(self, path: str) -> bool:
        """Take a key away; a mapping left empty stays, as `{}`. False when it wasn't there."""
        parts = _parts(path)
        wanted = copy.deepcopy(self.data)
        below: Any = wanted
        for part in parts[:-1]:
            below = below.get(part) if isinstance(below, dict) else None
        if not isinstance(below, dict) or parts[-1] not in below:
            return False
        del below[parts[-1]]
        self._edit(path, wanted)
        return True

    def write(self) -> None:
        """Replace the file at once, its mode kept. Refuses when somebody else has changed it since it was read."""
        content = self.text.encode("utf-8")
        replace(self.path, content, expected=self._read)
        self._read = content

    @contextmanager
    def written(self) -> Iterator[StackFile]:
        """Write; if the block fails, take the change back.

        The earlier bytes return if nobody else wrote meanwhile. The engine may have (it notes an encryption salt
        there): then only the keys changed here get their earlier values back.
        """
        earlier, undo = self._read, dict(self._undo)
        self.write()
        ours = self._read
        try:
            yield self
        except BaseException:
            self._restore(earlier, ours, undo)
            raise
        self._undo.clear()

    def _restore(self, earlier: bytes, ours: bytes, undo: Mapping[str, Any]) -> None:
        current = StackFile.read(self.path)
        if current._read == ours:
            replace(self.path, earlier, expected=ours)
            return
        for path, value in reversed(list(undo.items())):
            if current.get(path, _ABSENT) != self.get(path, _ABSENT):
                raise UserError(
                    f"{self.path}: {path} was changed by somebody else meanwhile, so it was not put back",
                    "Compare the file with version control.",
                )
            if value is _ABSENT:
                current.remove(path)
            else:
                current.set(path, value)
        current.write()

    def _edit(self, path: str, wanted: Any) -> None:
        if wanted == self.data:
            return
        try:
            text = yamltext.change(self.text, wanted)
            changed = yamltext.parse(text)
        except yamltext.NotEditable as error:
            raise self._refusal(path, str(error)) from None
        except YAMLError:
            raise self._refusal(path, "an anchor or a tag is in the way") from None
        if changed != wanted:
            raise self._refusal(path, "an anchor or a tag is in the way")
        self._undo.setdefault(path, self.get(path, _ABSENT))
        self.text, self.data = text, changed

    def _refusal(self, path: str, why: str) -> UserError:
        return UserError(
            f"{self.path}: {path} can't be changed without touching more: {why}", "Change the file by hand."
        )

    def _parse(self, text: str) -> Any:
        try:
            return yamltext.parse(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise UserError(f"{self.path}{place}: not valid YAML: {error.problem or error.context}") from None
        except (YAMLError, ValueError) as error:
            raise UserError(f"{self.path}: not valid YAML: {str(error).splitlines()[0]}") from None


def _replace_empty(tree: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    """A key without a value holds null; make it a mapping."""
    below = tree
    for part in parts[:-1]:
        below = below[part]
    made: dict[str, Any] = {}
    below[parts[-1]] = made
    return made


def _parts(path: str) -> list[str]:
    parts = path.split(".")
    return ["config", *parts] if ":" in parts[0] else parts


def replace(path: Path, content: bytes, *, expected: bytes | None) -> None:
    """Write `content` aside, flush it, rename it over `path`: a reader sees the old bytes or the new ones.

    `expected`: what must still stand there, None for a file that must not exist. Raises UserError in one line when
    something else does, SkywrightError when the disk refuses; the file is then untouched.
    """
    target = path.resolve()
    temporary: str | None = None
    try:
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            current = target.read_bytes() if target.exists() else None
            if current != expected:
                said = "exists already" if expected is None else "was changed by somebody else meanwhile"
                raise UserError(f"{path} {said}; it was left as it is", "Look at it, then try again.")
            mode = target.stat().st_mode & 0o7777 if current is not None else 0o644
            handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(temporary).replace(target)
            temporary = None
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise SkywrightError(
            f"{path} can't be written: {error.strerror}; it was left as it is",
            "Free some space, or mend the permissions.",
        ) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
