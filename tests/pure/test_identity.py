"""Tokens name a role on one stack, and nothing else passes for one."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import UserError
from ml_jobs.identity import TOKEN_VARIABLE, Caller, Refused, Role, mint, new_key, read_token, verify

PRIVATE, PUBLIC = new_key()
OTHER_PRIVATE, OTHER_PUBLIC = new_key()


@pytest.mark.parametrize("role", list(Role))
def test_a_token_says_its_role_on_its_stack(role: Role) -> None:
    assert verify(mint(PRIVATE, role, stack="a"), PUBLIC, stack="a") == Caller(role, role.value)


def signed(claims: dict[str, object], key: bytes = PRIVATE, algorithm: str = "EdDSA") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


FORGERIES = {
    "nothing": "",
    "words": "let me in",
    "another stack's": mint(PRIVATE, Role.ADMIN, stack="b"),
    "another key's": mint(OTHER_PRIVATE, Role.ADMIN, stack="a"),
    "no signature": jwt.encode({"sub": "x", "role": "admin", "aud": "a"}, "", algorithm="none"),
    "unknown role": signed({"sub": "x", "role": "root", "aud": "a"}),
    "no role": signed({"sub": "x", "aud": "a"}),
    "role is a list": signed({"sub": "x", "role": ["admin"], "aud": "a"}),
    "no stack": signed({"sub": "x", "role": "admin"}),
    "no subject": signed({"role": "admin", "aud": "a"}),
    "expired": signed({"sub": "x", "role": "admin", "aud": "a", "exp": 1}),
    "hmac with the public key": jwt.api_jws.PyJWS().encode(
        b'{"sub":"x","role":"admin","aud":"a"}', b"k" * 32, algorithm="HS256"
    ),
}


@pytest.mark.parametrize("token", FORGERIES.values(), ids=FORGERIES.keys())
def test_what_is_not_a_token_of_the_stack_is_refused_in_one_line(token: str) -> None:
    with pytest.raises(Refused) as refused:
        verify(token, PUBLIC, stack="a")
    assert str(refused.value).count("\n") == 0
    assert not token or token not in str(refused.value)


@given(st.data())
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    token = mint(PRIVATE, Role.VIEWER, stack="a")
    head, payload, signature = token.split(".")
    at = data.draw(st.integers(0, len(payload) - 1))
    letter = data.draw(st.sampled_from("abcXYZ019-_").filter(lambda letter: letter != payload[at]))
    with pytest.raises(Refused):
        verify(".".join((head, payload[:at] + letter + payload[at + 1 :], signature)), PUBLIC, stack="a")


def test_a_command_reads_the_token_that_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.write_text("mine\n")
    theirs.write_text("theirs\n")
    assert read_token(mine.as_uri()) == "mine"
    monkeypatch.setenv(TOKEN_VARIABLE, str(theirs))
    assert read_token(mine.as_uri()) == "theirs"
    assert read_token(str(mine), override=False) == "mine"


def test_no_token_and_an_unreadable_one_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(UserError, match="gives no token"):
        read_token(None)
    with pytest.raises(Refused, match="can't be read"):
        read_token((tmp_path / "gone").as_uri())
    for identity in ("arn:aws:iam::1:role/viewer", "/subscriptions/0/providers/x", "viewer@p.iam.gserviceaccount.com"):
        with pytest.raises(UserError, match="an identity of the stack's cloud") as said:
            read_token(identity)
        assert "skywright status" in str(said.value)
