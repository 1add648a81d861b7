"""What the review demands where: one file says each rule's level by environment, its parameters, and the exemptions."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.errors import UserError
from policies.rule import Result, Rule, Severity

PATH = Path(__file__).with_name("enforcement.yaml")
PARAMETERS = (
    "allowed_regions", "max_accelerators", "max_usd_per_accelerator_hour", "log_retention_days", "min_zones",
    "min_replicas",
)  # fmt: skip
"""What rules ask for. One that is absent sets no limit."""


class Level(str, Enum):
    OFF = "off"
    ADVISORY = "advisory"
    MANDATORY = "mandatory"

    @classmethod
    def _missing_(cls, value: object) -> Level | None:
        return cls.OFF if value is False else None  # YAML reads a bare `off` as false


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exemption(_Record):
    """`resource` and `stacks`: names, `*` stands for any text; a resource's URN will do as well as its name."""

    rule: str
    resource: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=10)]
    owner: Annotated[str, Field(min_length=1)]
    expires: datetime.date
    stacks: tuple[str, ...] = ("*",)

    def covers(self, result: Result, stack: str) -> bool:
        resource = result.resource
        return (
            self.rule == result.rule.name
            and any(fnmatchcase(name, self.resource) for name in (resource.name, resource.urn))
            and self.is_of(stack)
        )

    def is_of(self, stack: str) -> bool:
        return any(fnmatchcase(stack, pattern) for pattern in self.stacks)

    def is_expired(self, today: datetime.date) -> bool:
        """It holds through the whole of its last day."""
        return today > self.expires

    def __str__(self) -> str:
        return f"{self.rule} on {self.resource}, exempted until {self.expires} by {self.owner}: {self.reason}"


class Demands(_Record):
    """`rules` go before `levels`. A rule that neither names has the level of its severity in the section above."""

    levels: dict[Severity, Level] = Field(default_factory=dict)
    rules: dict[str, Level] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)


class Enforcement(Demands):
    """The whole file. What stands at its top holds everywhere, unless the environment's own section differs."""

    version: Literal[1]
    environments: dict[str, Demands] = Field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()

    def level_of(self, name: str, severity: Severity, environment: str | None) -> Level:
        for demands in (self.environments.get(environment or ""), self):
            if demands and (level := demands.rules.get(name, demands.levels.get(severity))) is not None:
                return level
        return Level.MANDATORY if severity.rank >= Severity.HIGH.rank else Level.ADVISORY

    def parameters_of(self, environment: str | None) -> dict[str, Any]:
        own = self.environments.get(environment or "")
        return {**self.parameters, **(own.parameters if own else {})}

    def exemption_of(self, result: Result, stack: str) -> Exemption | None:
        """The one that lasts longest, expired or not."""
        found = [item for item in self.exemptions if item.covers(result, stack)]
        return max(found, key=lambda item: item.expires, default=None)


def load(path: Path = PATH, *, known: Iterable[str] = ()) -> Enforcement:
    """Read the file. Raises UserError in one line for what isn't so, or a rule that is not among `known`."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: can't be read: {error.strerror}", "Restore the file, or start from an empty one: version: 1."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: is not YAML: {' '.join(str(error).split())}", "Mend the line that it names."
        ) from None
    if not isinstance(data, Mapping):
        raise UserError(f"{path}: holds {type(data).__name__}, allowed: a mapping", "Start from: version: 1.")
    try:
        enforcement = Enforcement.model_validate(data)
    except ValidationError as error:
        item = error.errors()[0]
        where = ".".join(str(part) for part in item["loc"])
        given = item.get("input")
        shown = f", given {given!r}" if isinstance(given, str | int | float | bool) else ""
        raise UserError(f"{path}: {where}: {item['msg'].lower()}{shown}", _remedy(item["loc"])) from None
    _refuse_unknown(path, enforcement, set(known))
    return enforcement


def _refuse_unknown(path: Path, enforcement: Enforcement, known: set[str]) -> None:
    sections: list[Demands] = [enforcement, *enforcement.environments.values()]
    named = [name for section in sections for name in section.rules] + [item.rule for item in enforcement.exemptions]
    for name in named:
        if known and name not in known:
            raise UserError(f"{path}: no rule is called {name!r}", "List the rules: skywright review --rules.")
    for section in sections:
        for name in section.parameters:
            if name not in PARAMETERS:
                raise UserError(
                    f"{path}: parameters: no rule asks for {name!r}; known: {', '.join(PARAMETERS)}",
                    "Correct the name.",
                )


def _remedy(where: tuple[Any, ...]) -> str:
    if "exemptions" in where:
        return "An exemption names rule, resource, reason (10 characters or more), owner and expires (YYYY-MM-DD)."
    return "Levels are off, advisory or mandatory; severities low, medium, high, critical."


def describe(rules: Iterable[Rule]) -> list[dict[str, str]]:
    """Each rule as one line for people: id, severity, clouds, title."""
    return [
        {"rule": item.name, "severity": item.severity.value, "clouds": ", ".join(item.clouds), "title": item.title}
        for item in rules
    ]
