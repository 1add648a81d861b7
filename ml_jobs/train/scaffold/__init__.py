"""A new job's module and its test, as files to begin with."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from string import Template

from catalog.errors import UserError, mistake

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def module_of(name: str) -> str:
    """The module of a job called `name`. Raises UserError for a name that a job, or a module, can't have."""
    if not NAME.fullmatch(name):
        raise mistake("NAME", name, "up to 40 lower case letters, digits and dashes, a letter first")
    module = name.replace("-", "_")
    if keyword.iskeyword(module):
        raise mistake("NAME", name, "anything but a word of Python's own")
    return module


def files(name: str) -> dict[str, str]:
    """File name -> text of the job and its test. Raises UserError for a wrong name."""
    module = module_of(name)
    words = {"name": name, "module": module, "title": name.replace("-", " ").capitalize()}
    folder = resources.files(__name__)
    return {
        f"{prefix}{module}.py": Template((folder / source).read_text()).substitute(words)
        for prefix, source in (("", "job.txt"), ("test_", "test.txt"))
    }


def write(name: str, folder: Path) -> list[Path]:
    """Write them into `folder`; where they lie. Nothing is written when one of them is there, or the name is taken."""
    content = files(name)
    paths = [folder / file for file in content]
    if there := [path for path in paths if path.exists()]:
        raise UserError(f"{there[0]} is there already", "Give the job another name, or remove the file.")
    if find_spec(module_of(name)) is not None:
        raise UserError(
            f"NAME is {name!r}, which is an installed module: {module_of(name)}", "Give the job another name."
        )
    try:
        for path, text in zip(paths, content.values(), strict=True):
            path.write_text(text)
    except OSError as error:
        raise UserError(f"{folder} can't be written: {error.strerror}", "Run this in a folder of yours.") from None
    return paths
