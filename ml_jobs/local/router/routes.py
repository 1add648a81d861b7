"""The declared routes: parsed strictly, kept in one file that is replaced atomically."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Name, Percent, Record, explain
from ml_jobs.local.router.routing import Table, Target


class Routing(Record):
    mode: Literal["weighted", "sticky"] = "weighted"
    key_header: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")] = "x-skywright-key"


class Route(Record):
    """Where a release's server listens, and its share."""

    url: str = Field(pattern=r"^https?://[^\s/?#]+$", description="scheme, host and port")
    model: Name
    version: int = Field(ge=1)
    weight_percent: Percent = 0
    shadow_percent: Percent = 0


class Routes(Record):
    version: int = 1
    routing: Routing = Routing()
    releases: dict[Name, Route] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _weights_sum_to_100(self) -> Self:
        given = {name: route.weight_percent for name, route in self.releases.items()}
        if given and abs(sum(given.values()) - 100) > 1e-6:
            listed = ", ".join(f"{name} {weight:g}" for name, weight in given.items())
            raise ValueError(f"weights must sum to 100; {listed} sum to {sum(given.values()):g}")
        return self

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """What an admin puts: only known keys. Raises UserError in one line."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise UserError(explain(error, "routes")) from None

    def table(self, why_empty: str = "") -> Table:
        targets = {name: Target(name, **route.model_dump()) for name, route in self.releases.items()}
        return Table(targets, self.routing.mode, self.routing.key_header, why_empty)


class RoutesFile:
    """state/routes.json. After SIGKILL at any moment it holds the old routes or the new ones, whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[Routes, str]:
        """The routes, and what was wrong with the file: then it is kept aside, and nothing is released."""
        try:
            data: Any = json.loads(self.path.read_bytes())
            return Routes.read(data, where=self.path.name), ""
        except FileNotFoundError:
            return Routes(), ""
        except (OSError, ValueError, UserError) as error:
            aside = self.path.with_name(f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
            try:
                self.path.rename(aside)
            except OSError:
                aside = self.path
            why = str(error).splitlines()[0].rstrip(".")
            return Routes(), f": {self.path.name} could not be read ({why}), it is kept as {aside.name}"

    def save(self, routes: Routes) -> None:
        """Raises SkywrightError when the disk does not take it; the old routes then stay."""
        temporary = self.path.with_name(f"{self.path.name}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "w") as file:
                file.write(routes.model_dump_json(indent=2))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise SkywrightError(
                f"{self.path} can't be written: {error.strerror}; the routes stay as they were",
                "Free the disk or mend its rights.",
            ) from None
