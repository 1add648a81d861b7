"""A clone-like project folder with one local stack, the real engine on it, and the `skywright` command as typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from infra.engine.run import Engine
from ml_jobs.contract import StackContract

REPO = Path(__file__).resolve().parents[2]
LINKED = (".venv", "infra", "components", "ml_jobs", "catalog", "policies")

CONFIG: dict[str, Any] = {
    "skywright:cloud": "local",
    "skywright:owner": "tests",
    "skywright:training": {
        "spot_fallback_s": 5,
        "pools": {"spot": {"is_spot": True, "max_count": 2, "ranks": 2}, "on-demand": {"max_count": 1, "ranks": 2}},
    },
    "skywright:local": {"scrape_s": 0.5},
}


class Bed:
    """One stack named `test` in a project of its own; `root` is its folder."""

    def __init__(self, folder: Path, config: dict[str, Any] | None = None) -> None:
        self.project = folder / "project"
        (self.project / "stacks").mkdir(parents=True)
        for name in LINKED:
            (self.project / name).symlink_to(REPO / name)
        (self.project / "Pulumi.yaml").write_text((REPO / "Pulumi.yaml").read_text())
        self.file = self.project / "stacks" / "Pulumi.test.yaml"
        self.declare(config or CONFIG)
        self.engine = Engine(self.project, "test", has_policies=False)
        self.root = self.project / ".skywright" / "test"

    def declare(self, config: dict[str, Any]) -> None:
        """Write the stack's config anew, keeping what the engine needs to open its secrets."""
        yaml = YAML()
        present = yaml.load(self.file.read_text()) if self.file.exists() else {}
        with open(self.file, "w") as out:
            yaml.dump({**present, "config": config}, out)

    def declared(self) -> dict[str, Any]:
        loaded: dict[str, Any] = YAML(typ="safe").load(self.file.read_text())["config"]
        return loaded

    @property
    def contract(self) -> StackContract:
        return StackContract.read(self.engine.outputs()["platform"])

    def token(self, role: str) -> str:
        return (self.root / "identity" / "tokens" / f"{role}.token").read_text()

    def type(self, *words: str, role: str | None = None, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """`skywright WORDS -s test`, as a person would type it in the project's folder."""
        environ = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
        if role:
            environ["SKYWRIGHT_TOKEN_FILE"] = str(self.root / "identity" / "tokens" / f"{role}.token")
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", *words, "-s", "test"], cwd=self.project, env=environ,
            capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def ask(self, *words: str, role: str | None = None) -> Any:
        """The JSON that a command prints; it must have succeeded."""
        done = self.type(*words, "--json", role=role)
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def processes(self) -> dict[str, list[int]]:
        """Pids of the stack's services by name, each of which must be one."""
        found: dict[str, list[int]] = {}
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if (
                process.info["status"] != psutil.STATUS_ZOMBIE
                and words
                and words[-1].startswith(f"{self.root}/services/")
            ):
                found.setdefault(Path(words[-1]).stem, []).append(process.pid)
        return found

    def leftovers(self) -> list[str]:
        """Command lines of whatever still has to do with the stack."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.root) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(line)
        return found
