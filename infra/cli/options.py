"""Options that many commands share."""

from typing import Annotated

import typer

StackOption = Annotated[str, typer.Option("--stack", "-s", envvar="SKYWRIGHT_STACK", help="the stack to work on")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON")]
