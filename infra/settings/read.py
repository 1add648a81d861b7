"""Raw config in, `Settings` out: from the engine, from a stack file, or from any mapping."""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from catalog.errors import UserError
from infra.settings.checks import RAW_CHECKS
from infra.settings.checks_fit import FITS
from infra.settings.explain import (
    PREFIX,
    InvalidSettings,
    Mistake,
    Schema,
    booleans_as_numbers,
    from_pydantic,
    path_of,
    shown,
    unknown_key,
)
from infra.settings.model import KEYS, SECRET_KEYS, STACKS, Settings, as_schema

if TYPE_CHECKING:
    import pulumi

_TEXTS = frozenset({"cloud", "region", "environment", "owner", "cost_center", "backend"})
_ELSEWHERE = {
    key: f"Write it below its section: skywright:{section}: {{{key}: ...}}."
    for section in ("training", "endpoint", "monitoring", "budget")
    for key in Settings.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
}


def load(
    config: Mapping[str, str], *, stack: str, where: str | None = None, secret_keys: Collection[str] = ()
) -> Settings:
    """The settings in `config`. Pure: equal inputs, equal answer.

    `config` is what the engine hands to a program: full keys (`skywright:training`), values as text, structured ones as
    JSON; keys of other namespaces are passed over. `secret_keys` are the full keys that the engine holds encrypted.
    `where` names the file in messages. Raises InvalidSettings with every mistake, one line each.
    """
    where = where or f"stacks/Pulumi.{stack}.yaml"
    mistakes: list[Mistake] = []
    data: dict[str, Any] = {}
    for full, raw in config.items():
        if not full.startswith(PREFIX):
            continue
        key = full.removeprefix(PREFIX)
        if key in SECRET_KEYS:
            if full not in secret_keys:
                mistakes.append(_clear_text(key, stack))
        elif full in secret_keys:
            mistakes.append(_encrypted(key))
        elif key not in KEYS:
            mistakes.append(unknown_key([key], [*KEYS, *SECRET_KEYS], extra=_ELSEWHERE))
        elif (value := _decode(key, raw, mistakes)) is not None:
            data[key] = value
    for check in RAW_CHECKS:
        mistakes.extend(check(data))
    given = data.get("cloud")
    kind = STACKS.get(given, Settings) if isinstance(given, str) else Settings
    candidate = {**data, "stack": stack, **({} if kind is not Settings else {"cloud": "local"})}
    schema = _schema(kind)
    try:
        settings = kind.model_validate(candidate)
    except ValidationError as error:
        mistakes.extend(from_pydantic(error, schema, data))
    mistakes.extend(booleans_as_numbers(schema, schema.root, data, []))
    if not mistakes:
        mistakes.extend(mistake for fits in FITS for mistake in fits(settings))
    if mistakes:
        raise InvalidSettings(where, sorted(set(mistakes), key=lambda item: _order(item.path)))
    return settings


def from_pulumi(stack: str) -> Settings:
    """The settings of the program that the engine is running."""
    from pulumi.runtime import config as runtime

    values = {**runtime.get_config_env(), **runtime.CONFIG.get()}
    secret = {key for key in values if runtime.is_config_secret(key)} | set(runtime.get_config_secret_keys_env())
    return load(values, stack=stack, secret_keys=secret)


def secrets_from_pulumi() -> dict[str, pulumi.Output[str]]:
    """The secrets that the stack has, by key; each an Output that the engine keeps encrypted."""
    import pulumi

    config = pulumi.Config(PREFIX.rstrip(":"))
    found = {key: config.get_secret(key) for key in SECRET_KEYS}
    return {key: value for key, value in found.items() if value is not None}


def from_file(path: Path) -> Settings:
    """The settings in a stack file, without an engine. Encrypted values stay unread."""
    config, secret_keys = raw_config(path)
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    return load(config, stack=stack, where=_shown_path(path), secret_keys=secret_keys)


def raw_config(path: Path) -> tuple[dict[str, str], set[str]]:
    """The file's `config` as the engine would hand it over, and its encrypted keys. Raises UserError."""
    from infra.stackfile import StackFile

    config = StackFile.read(path).get("config")
    if config is None:
        config = {}
    if not isinstance(config, dict):
        raise UserError(
            f"{_shown_path(path)}: config is {shown(config)}; allowed: a mapping",
            "Write `config:` and the keys below it, indented.",
        )
    values: dict[str, str] = {}
    secret: set[str] = set()
    for key, value in config.items():
        full = str(key) if ":" in str(key) else f"{PREFIX}{key}"
        if _holds_secret(value):
            secret.add(full)
        values[full] = "" if _holds_secret(value) else _as_text(value)
    return values, secret


def _holds_secret(value: Any) -> bool:
    """Whether an encrypted value stands here or anywhere below: the engine then calls the whole key secret."""
    if isinstance(value, Mapping):
        return set(value) == {"secure"} or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(_with_text_keys(value), default=str)


def _with_text_keys(value: Any) -> Any:
    """YAML takes dates and numbers for keys; JSON takes texts only."""
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _shown_path(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


@functools.cache
def _schema(kind: type[Settings]) -> Schema:
    return Schema(as_schema(kind))


def _order(path: str) -> tuple[int, str]:
    key = path.removeprefix(PREFIX).split(".")[0].split("[")[0]
    return (KEYS.index(key) if key in KEYS else -1, path)


def _decode(key: str, raw: Any, mistakes: list[Mistake]) -> Any:
    """A value as data; None where nothing is given, or where it is hopeless and was reported."""
    if raw is None or raw == "":
        return None  # a key without a value counts as not given, as the engine hands it over
    if key in _TEXTS or not isinstance(raw, str):
        return raw
    try:
        return json.loads(raw, parse_constant=_refuse)
    except _NotFinite as error:
        mistakes.append(Mistake(path_of([key]), f" holds {error}; allowed: finite numbers"))
        return None
    except ValueError:
        return raw


class _NotFinite(Exception):
    pass


def _refuse(constant: str) -> Any:
    raise _NotFinite(constant)


def _clear_text(key: str, stack: str) -> Mistake:
    return Mistake(
        path_of([key]),
        " stands in clear text; allowed: an encrypted value",
        f"Set it again with `pulumi config set --secret {PREFIX}{key} -s {stack}`, and change the secret: it leaked.",
    )


def _encrypted(key: str) -> Mistake:
    return Mistake(
        path_of([key]),
        f" holds an encrypted value, which would be read as clear text here; secrets are: {', '.join(SECRET_KEYS)}",
        "Move the secret to one of those keys, or write the value plainly.",
    )
