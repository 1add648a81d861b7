"""Roles and their tokens: JSON Web Tokens signed with the stack's Ed25519 key.

Services hold only the public key; a token names one role, and a role is all that a service asks for.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from catalog.errors import SkywrightError, UserError

TOKEN_VARIABLE = "SKYWRIGHT_TOKEN_FILE"
"""Names a token file to use in place of the one that a command would pick."""


class Role(str, Enum):
    TRAINER = "trainer"
    SERVER = "server"
    VIEWER = "viewer"
    APPROVER = "approver"
    ADMIN = "admin"


ANYBODY = frozenset(Role)
"""Every role, but no one without a token."""


@dataclass(frozen=True, slots=True)
class Caller:
    role: Role
    subject: str


class Refused(SkywrightError):
    """The token is missing, wrong or of a role that may not do this."""


def new_key() -> tuple[bytes, bytes]:
    """A new Ed25519 pair as PEM: (private, public)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def mint(private_key: bytes, role: Role, *, stack: str, subject: str | None = None) -> str:
    """A token of `role` on `stack`. It holds until the stack's key is replaced."""
    claims = {"sub": subject or role.value, "role": role.value, "aud": stack, "iat": int(time.time())}
    return jwt.encode(claims, private_key, algorithm="EdDSA")


def verify(token: str, public_key: bytes, *, stack: str) -> Caller:
    """Who calls. Raises Refused, never saying more about the token than that it is wrong."""
    try:
        claims = jwt.decode(
            token, public_key, algorithms=["EdDSA"], audience=stack, options={"require": ["aud", "sub"]}
        )
        return Caller(Role(claims["role"]), str(claims["sub"]))
    except (jwt.InvalidTokenError, KeyError, ValueError):
        raise Refused(
            f"the token is not one of stack {stack}'s", "Use a token from the stack's identity folder."
        ) from None


def read_token(reference: str | None, *, override: bool = True) -> str:
    """The token in the file of a stack's reference; SKYWRIGHT_TOKEN_FILE goes before it for commands.

    Commands are given an identity of a cloud where the stack is on one: UserError says so. Services (not `override`)
    are given plain paths.
    """
    chosen = (os.environ.get(TOKEN_VARIABLE) if override else None) or reference
    if not chosen:
        raise UserError("this stack gives no token for that role", f"Set {TOKEN_VARIABLE} to a token's file.")
    path = Path(chosen.removeprefix("file://"))
    if override and chosen == reference and not chosen.startswith("file://"):
        raise UserError(
            f"{chosen} is an identity of the stack's cloud, with no token: what this asks runs on local stacks",
            "Ask the cloud, signed in as that identity; `skywright status` tells what the stack declares there.",
        )
    try:
        return path.read_text().strip()
    except OSError as error:
        raise Refused(
            f"token file {path} can't be read: {error.strerror}", "Ask the stack's owner for access."
        ) from None


def current_user() -> str:
    """Who types the command: SKYWRIGHT_USER, else the login name."""
    import getpass

    try:
        return os.environ.get("SKYWRIGHT_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
