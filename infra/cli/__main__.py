"""`python -m infra.cli`: the command, where its script is not on PATH."""

from infra.cli.main import run

run()
