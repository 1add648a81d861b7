"""Assets and archives as plain mappings, hash included: the SDK's own classes drop the hash, and can't even be made of
what a state keeps of an asset, which is its hash alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from google.protobuf import struct_pb2
from pulumi.runtime import rpc

MARK = "@pulumi"
"""The key of such a mapping that says what it is."""

_SIGNED = rpc._special_sig_key
_SIGNATURES = (rpc._special_asset_sig, rpc._special_archive_sig)


def is_asset(value: Any) -> bool:
    return isinstance(value, pulumi.Asset | pulumi.Archive) or (isinstance(value, Mapping) and MARK in value)


def masked(message: Any) -> Any:
    """A copy of a request in which assets are mappings."""
    return _turned(message, _SIGNED, MARK)


def unmasked(message: Any) -> Any:
    """A copy of an answer in which the engine finds its assets again."""
    return _turned(message, MARK, _SIGNED)


def _turned(message: Any, old: str, new: str) -> Any:
    copied = type(message)()
    copied.CopyFrom(message)
    for _, value in copied.ListFields():
        if isinstance(value, struct_pb2.Struct):
            _rename(value, old, new)
    return copied


def _rename(struct: struct_pb2.Struct, old: str, new: str) -> None:
    for value in list(struct.fields.values()):
        _look(value, old, new)
    if old in struct.fields and struct.fields[old].string_value in _SIGNATURES:
        struct.fields[new].string_value = struct.fields[old].string_value
        del struct.fields[old]


def _look(value: struct_pb2.Value, old: str, new: str) -> None:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        _rename(value.struct_value, old, new)
    elif kind == "list_value":
        for item in value.list_value.values:
            _look(item, old, new)
