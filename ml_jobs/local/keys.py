"""Makes a stack's keys and tokens: `python -m ml_jobs.local.keys ROOT STACK`. Running it again mends what is missing.

    identity/issuer.key, issuer.pub        tokens are signed with it
    identity/approver.key, approver.pub    approvals are signed with it
    identity/tokens/<role>.token           one a role

Folders are 0700 and files 0600; existing keys are kept, since approvals and tokens hold only as long as they do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from catalog.errors import SkywrightError
from ml_jobs.identity import Refused, Role, mint, new_key, verify


def ensure(root: Path, stack: str) -> None:
    """Every key and token is there, whole, and only its owner's."""
    folder = root / "identity"
    tokens = folder / "tokens"
    try:
        for path in (folder, tokens):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
        private, public = _pair(folder, "issuer")
        _pair(folder, "approver")
        for role in Role:
            path = tokens / f"{role.value}.token"
            if not _holds(path, public, stack, role):
                write_owner_only(path, mint(private, role, stack=stack).encode())
    except OSError as error:
        raise SkywrightError(
            f"{error.filename or folder} can't be written: {error.strerror}", "Free the disk or mend its rights."
        ) from None


def _pair(folder: Path, name: str) -> tuple[bytes, bytes]:
    private_file, public_file = folder / f"{name}.key", folder / f"{name}.pub"
    if not (private_file.exists() and public_file.exists()):
        private, public = new_key()
        write_owner_only(private_file, private)
        write_owner_only(public_file, public)
    return private_file.read_bytes(), public_file.read_bytes()


def _holds(path: Path, public: bytes, stack: str, role: Role) -> bool:
    try:
        return path.stat().st_mode & 0o077 == 0 and verify(path.read_text().strip(), public, stack=stack).role is role
    except (OSError, Refused):
        return False


def write_owner_only(path: Path, data: bytes) -> None:
    """Write aside, readable by the owner alone from its first byte, then rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    try:
        ensure(Path(sys.argv[1]), sys.argv[2])
    except SkywrightError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None
