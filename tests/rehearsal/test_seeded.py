"""Every rule goes red in a real preview, and a mandatory one stops an update before anything exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.engine.events import Outcome
from infra.engine.run import Engine, EngineFailed
from infra.rehearsal import bed as beds
from tests.rehearsal import seeded

PROJECT = Path(__file__).parents[2]
STACKS = {"aws": "aws-prod", "gcp": "gcp-prod", "azure-native": "azure-prod", "kubernetes": "kubernetes-prod"}
PROGRAM = """
import sys
sys.path.insert(0, {project!r})
from tests.rehearsal.seeded import declare
declare({package!r}, {world!r})
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("package", STACKS)
def test_every_rule_goes_red_and_nothing_is_created(package: str, tmp_path: Path) -> None:
    file = PROJECT / "stacks" / f"Pulumi.{STACKS[package]}.yaml"
    with beds.made(PROJECT, file, tmp_path, is_strict=False) as bed:
        (bed.project / "infra").unlink()
        (bed.project / "infra").mkdir()
        for world, seeds in seeded.worlds(package).items():
            program = PROGRAM.format(project=str(PROJECT), package=package, world=world)
            (bed.project / "infra" / "__main__.py").write_text(program)
            told = previewed(bed.engine).notes
            assert {name for name, _ in seeds} - {note.policy for note in told} == set(), world
            assert {note.level for note in told} <= {"mandatory", "advisory"}
            if world == "production":
                with pytest.raises(EngineFailed, match="Nothing was changed"):
                    bed.engine.up()
                assert not bed.account.objects()


def previewed(engine: Engine) -> Outcome:
    """A preview's outcome, also of one that the pack ends."""
    try:
        return engine.preview()
    except EngineFailed as error:
        return error.outcome
