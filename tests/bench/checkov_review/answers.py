"""What answers each check of Checkov: rules of ours, or a reason."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

PATH = Path(__file__).with_name("answers.yaml")
Reason = Annotated[str, Field(min_length=20)]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[str, ...] = ()
    unless: dict[str, Reason] = {}
    not_meant: Reason | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Answer:
        if bool(self.rules) == bool(self.not_meant) or (self.unless and not self.rules):
            raise ValueError("either rules, perhaps with unless, or not_meant")
        return self

    def reason(self, resource: str) -> str | None:
        """Why no rule goes red on the resource of that name. None: there is no reason."""
        return self.not_meant or next((why for name, why in self.unless.items() if fnmatchcase(resource, name)), None)


def load(known: frozenset[str]) -> dict[str, Answer]:
    """Check -> its answer. Raises ValueError for a rule that is not among `known`."""
    answers = TypeAdapter(dict[str, Answer]).validate_python(yaml.safe_load(PATH.read_text()))
    if missing := sorted({rule for answer in answers.values() for rule in answer.rules} - known):
        raise ValueError(f"{PATH.name} names rules that don't exist: {', '.join(missing)}")
    return answers
