"""The foundation of an AWS stack (network, identity, storage, registry) on the real engine, against the stand-in."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from infra.engine.events import Outcome
from infra.engine.run import Engine
from infra.rehearsal.core import evidence, launch
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.evidence import Evidence

REPO = Path(__file__).resolve().parents[2]

PROGRAM = f"""\
import json
import pathlib
import sys

sys.path.insert(0, {str(REPO)!r})

import pulumi

from components import aws
from infra.program import context_of
from infra.settings import load

told = json.loads((pathlib.Path(__file__).parent / "declared.json").read_text())
settings = load(told["config"], stack=told["stack"])
ctx = context_of(settings)
opts = aws.provider_options(ctx)
below = {{}}
for section, kind in {{
    "network": aws.Network, "identity": aws.Identity, "storage": aws.Storage, "registry": aws.ModelRegistry,
}}.items():
    below[section] = kind(section, getattr(settings, section), ctx, opts=opts, **below).outputs
pulumi.export("data", below["storage"].data_url)
pulumi.export("images", below["registry"].image_url)
pulumi.export("key", below["identity"].approver_key_ref)
"""


class Bed:
    """One stack. `declare` says what its file would say."""

    def __init__(self, folder: Path, stack: str = "small") -> None:
        self.stack = stack
        self.project = folder / "project"
        self.project.mkdir()
        python = f"runtime:\n  name: python\n  options:\n    virtualenv: {REPO / '.venv'}\n"
        (self.project / "Pulumi.yaml").write_text(f"name: foundation\n{python}")
        (self.project / "__main__.py").write_text(PROGRAM)
        self.account = Account(folder / "account")
        bin_dir = folder / "bin"
        launch.put(bin_dir, clouds=["aws"], python=Path(sys.executable))
        environ = {**launch.variables(self.account), "PATH": f"{bin_dir}:{os.environ['PATH']}"}
        self.engine = Engine(self.project, stack, has_policies=False, is_offline=True, environ=environ)

    def declare(self, **sections: Any) -> None:
        given = {"cloud": "aws", "region": "eu-west-1", **sections}
        config = {
            f"skywright:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in given.items()
        }
        (self.project / "declared.json").write_text(json.dumps({"stack": self.stack, "config": config}))

    def up(self) -> Outcome:
        self.engine.ensure_stack()
        return self.engine.up()

    def proofs(self) -> dict[str, Evidence]:
        return {found.urn.rsplit("::", 1)[-1]: found for found in evidence.last(self.account)}
