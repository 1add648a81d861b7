"""A framework as data: a file each, control -> rules, with the control's own number and our paraphrase of it."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from catalog.errors import UserError, did_you_mean
from policies.rule import Rule

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
"""What `--framework` takes."""

Line = Annotated[str, Field(min_length=1, pattern=r"^[^\n]+$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Control(_Record):
    """`rules` and `needs_person` may stand together: then rules judge the part that is declared, a person the rest.

    `types`: patterns of the resources that it is about, `*` stands for any text; default: the framework's.
    """

    id: Line
    title: Line
    rules: tuple[Line, ...] = ()
    types: tuple[Line, ...] = ()
    needs_person: Line | None = None

    @model_validator(mode="after")
    def _has_a_judge(self) -> Control:
        if not self.rules and not self.needs_person:
            raise ValueError(f"control {self.id} has neither rules nor what a person should look at")
        if len(set(self.rules)) != len(self.rules):
            raise ValueError(f"control {self.id} names a rule twice")
        return self


class Checked(_Record):
    """When each control's number and subject were held against public sources, and against which."""

    date: datetime.date
    against: tuple[Line, ...] = Field(min_length=1)

    def __str__(self) -> str:
        return f"Numbers held on {self.date} against {'; '.join(self.against)}"


class Framework(_Record):
    """`id` is the file's name, `source` where the controls' own text stands; numbers are those of `version`.

    `types`: patterns of the resources that it is about; none: all.
    """

    id: str
    name: Line
    version: Line
    source: Annotated[str, Field(pattern=r"^https://\S+$")]
    checked: Checked
    types: tuple[Line, ...] = ()
    controls: tuple[Control, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _controls_are_unique(self) -> Framework:
        ids = [item.id for item in self.controls]
        if doubled := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"controls stand twice: {', '.join(doubled)}")
        return self


def load(name: str, *, known: Iterable[str] = ()) -> Framework:
    """The framework of that name. Raises UserError for another name, a damaged file, or a rule not among `known`.

    An empty `known` asks nothing of the rules' names.
    """
    if name not in NAMES:
        raise UserError(
            f"no framework is called {name!r}; known: {', '.join(NAMES)}", did_you_mean(name, list(NAMES))
        )  # fmt: skip
    framework = _read(FOLDER / f"{name}.yaml")
    names = set(known)
    for control in framework.controls if names else ():
        for rule in control.rules:
            if rule not in names:
                raise UserError(
                    f"{name}.yaml: control {control.id} names the rule {rule!r}, which is not known",
                    did_you_mean(rule, sorted(names)) or "Correct the name.",
                )
    return framework


def unmapped(rules: Iterable[Rule]) -> dict[str, tuple[str, ...]]:
    """Framework -> the names in its file that none of these rules bears. Empty when every mapping has its rule."""
    names = {item.name for item in rules}
    found = {}
    for name in NAMES:
        mapped = {rule for control in load(name).controls for rule in control.rules}
        if missing := tuple(sorted(mapped - names)):
            found[name] = missing
    return found


@functools.cache
def _read(path: Path) -> Framework:
    try:
        data: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path.name}: can't be read: {' '.join(str(error).split())}", "Restore the file.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path.name}: holds {type(data).__name__}, allowed: a mapping", "Restore the file.")
    try:
        return Framework.model_validate({"id": path.stem, **data})
    except ValidationError as error:
        item = error.errors()[0]
        where = ".".join(str(part) for part in item["loc"])
        raise UserError(f"{path.name}: {where or 'the whole'}: {item['msg']}", "Correct the file.") from None


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
