"""The one module that runs the engine for our commands.

`up` is always the plain `pulumi up`: a preview with the policy pack, then the update with it, so that a violation ends
it with nothing created. (The Automation API's `Stack.up` skips the preview.)
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.errors import UserError
from infra.engine import environment, events, frame, torn
from infra.engine.events import Outcome, Step
from infra.engine.failing import EngineFailed, failure
from infra.engine.find import Found, find
from infra.engine.following import Lines, follow
from infra.engine.locks import Lock, locks
from infra.engine.pending import Pending, pending

__all__ = ["Engine", "EngineFailed", "Lines"]


class Engine:
    """The engine on one stack of one project. Every method raises SkywrightError in one line, with the engine's reason.

    `backend_url`: default by `environment.backend_of`. `passphrase_file`: instead of the project's own. `policy_pack`:
    default the project's `policies`; `has_policies=False` runs without any. `environ` comes on top of this process's.
    """

    def __init__(
        self,
        project_dir: Path,
        stack: str,
        *,
        backend_url: str | None = None,
        passphrase_file: Path | None = None,
        policy_pack: Path | None = None,
        has_policies: bool = True,
        is_offline: bool = False,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.project_dir = project_dir.absolute()
        self.stack = stack
        self.policy_pack = (policy_pack or environment.policy_pack(self.project_dir)) if has_policies else None
        self._environ = os.environ | (environ or {})
        self._is_offline = is_offline
        self._found: Found | None = None
        backend = environment.backend_of(self.project_dir, stack, url=backend_url, environ=self._environ)
        self.backend = dataclasses.replace(backend, passphrase_file=passphrase_file) if passphrase_file else backend

    @property
    def found(self) -> Found:
        self._found = self._found or find()
        return self._found

    @property
    def environ(self) -> dict[str, str]:
        """The whole environment that the engine gets. What it needs on disk is there afterwards."""
        environment.prepare(self.backend)
        added = environment.variables(self.backend, self.found, is_offline=self._is_offline, environ=self._environ)
        # The pack is passed by name; one from the user's shell must not come back where it was asked to stay away.
        kept = {name: value for name, value in self._environ.items() if name != "PULUMI_OPTION_POLICY_PACK"}
        return kept | added | {"PULUMI_DEBUG_COMMANDS": "true"}  # without it there is no --event-log

    # --- the stack itself

    def exists(self) -> bool:
        if (folder := self.backend.folder) is not None:
            stacks = folder / ".pulumi" / "stacks" / self.project
            return any((stacks / f"{self.stack}{ending}").exists() for ending in (".json", ".json.gz", ".json.zst"))
        listed = json.loads(self._ask("stack", "ls", "--json"))
        return any(entry["name"].rsplit("/", 1)[-1] == self.stack for entry in listed)

    def ensure_stack(self) -> None:
        """Create the stack if it is not there. Its file only gains the key that opens its secrets: the engine alone
        would write it anew, without regard for how its author wrote it."""
        if self.exists():
            return
        file = self._stack_file()
        before = file.read_bytes() if file.exists() else None
        provider = self.backend.secrets_provider
        self._ask("stack", "init", self.stack, "--no-select", *(["--secrets-provider", provider] if provider else []))
        if before is None or not file.exists():
            return
        keys = ("encryptionsalt", "encryptedkey", "secretsprovider")
        added = [line for line in file.read_text().splitlines() if line.startswith(keys)]
        kept = [line for line in before.decode().splitlines() if not line.startswith(keys)]
        aside = file.with_name(f".{file.name}.{os.getpid()}")
        aside.write_text("\n".join([*kept, *added]) + "\n")
        aside.replace(file)

    def remove(self) -> None:
        """Forget the destroyed stack; its file stays. Refused by the engine while it still has resources."""
        if self.exists():
            self._ask("stack", "rm", "--yes", "--preserve-config")

    def forget(self) -> None:
        """Drop the state and all that it knows; nothing in the cloud is touched, and the file stays."""
        self._need_stack()
        self._ask("stack", "rm", "--yes", "--force", "--preserve-config")

    # --- runs

    def preview(self, on_line: Lines | None = None, *, args: Sequence[str] = (), is_reviewed: bool = True) -> Outcome:
        self.ensure_stack()
        self.recover()
        return self._run("preview", on_line, [*(self._pack() if is_reviewed else ()), *args])

    def up(self, on_line: Lines | None = None, *, args: Sequence[str] = ()) -> Outcome:
        """A preview with the policy pack, then the update with it; nothing is created when the preview fails."""
        self.ensure_stack()
        self.recover()
        self.settle()
        return self._run("up", on_line, ["--yes", *self._pack(), *args])

    def frame(self, steps: Sequence[Step]) -> None:
        """Put components and providers that a preview would create into the state, and nothing else."""
        self.ensure_stack()
        self.recover()
        with tempfile.TemporaryDirectory(prefix="skywright-") as folder:
            file = Path(folder) / "state.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps(frame.framed(self.export(), steps)))
            self._ask("stack", "import", "--file", str(file))

    def up_alone(self, urns: Sequence[str], on_line: Lines | None = None) -> Outcome:
        """Create these and nothing else. Only for what is no cloud's: nothing is reviewed."""
        self.ensure_stack()
        self.recover()
        return self._run("up", on_line, ["--yes", *(word for urn in urns for word in ("--target", urn))])

    def refresh(self, on_line: Lines | None = None, *, args: Sequence[str] = ()) -> Outcome:
        self._need_stack()
        self.recover()
        return self._run("refresh", on_line, ["--yes", *args])

    def destroy(self, on_line: Lines | None = None, *, args: Sequence[str] = ()) -> Outcome:
        self._need_stack()
        self.recover()
        return self._run("destroy", on_line, ["--yes", *args])

    def import_(self, file: Path, on_line: Lines | None = None) -> Outcome:
        """Take what runs already into the stack. `file`: as `preview --import-file` writes it, ids filled in."""
        self.ensure_stack()
        self.recover()
        # Its preview reads everything once more and tells nobody: the plan is what was looked at.
        options = ["--yes", "--skip-preview", "--file", str(file), "--generate-code=false", "--protect=false"]
        return self._run("import", on_line, options)

    def unprotect(self) -> None:
        """Let `destroy` take what the program protects."""
        self._need_stack()
        self._ask("state", "unprotect", "--all", "--yes")

    def set_secret(self, key: str, value: str) -> None:
        """Put an encrypted value into the stack's file."""
        self._ask("config", "set", "--secret", key, value)

    # --- questions

    def preview_json(self) -> dict[str, Any]:
        """What `pulumi preview --json` prints: every step with its inputs."""
        self.ensure_stack()
        self.recover()
        return dict(json.loads(self._ask("preview", "--json", "--show-sames", *self._pack())))

    def outputs(self, *, shows_secrets: bool = False) -> dict[str, Any]:
        """What the program exported at the last `up`; empty when there was none. Secrets read "[secret]"."""
        if not self.exists():
            return {}
        self.recover()
        asked = ["stack", "output", "--json", *(["--show-secrets"] if shows_secrets else [])]
        return dict(json.loads(self._ask(*asked)))

    def export(self) -> dict[str, Any]:
        """The stack's state, as `pulumi stack export` gives it."""
        self._need_stack()
        self.recover()
        return dict(json.loads(self._ask("stack", "export")))

    def locks(self) -> list[Lock]:
        """The locks on the stack; only of a file backend."""
        return locks(folder, self.project, self.stack) if (folder := self.backend.folder) is not None else []

    def cancel_stale_lock(self) -> int:
        """Clear the locks whose host is this one and whose process is gone; how many there were."""
        stale = [lock for lock in self.locks() if lock.is_stale]
        for lock in stale:
            lock.file.unlink(missing_ok=True)
            lock.file.with_name(lock.file.name + ".attrs").unlink(missing_ok=True)
        return len(stale)

    def recover(self) -> Path | None:
        """Undo what a killed run left: its lock, and a state that it was just writing (the torn file is given back)."""
        self.cancel_stale_lock()
        if (folder := self.backend.folder) is None or self.locks():
            return None
        return torn.mend(folder, self.project, self.stack)

    def settle(self) -> list[Pending]:
        """Take in what an interrupted run was creating, as far as names tell the cloud's ids; what could not be found.

        Without it the next creation meets a name that is taken.
        """
        if (self.backend.folder is not None and not self.exists()) or not (found := pending(self.export())):
            return []
        for item in found:
            if item.id is None:
                continue
            named = ["--import-pending-creates", item.urn, "--import-pending-creates", item.id]
            try:
                self._run("refresh", None, ["--yes", "--skip-preview", "--target", item.urn, *named])
            except EngineFailed:
                continue  # it was not created: the update will
        return pending(self.export())

    @property
    def project(self) -> str:
        """The project's name, from its Pulumi.yaml."""
        try:
            text = (self.project_dir / "Pulumi.yaml").read_text()
        except OSError as error:
            raise UserError(f"there is no Pulumi project in {self.project_dir}", "Run this in a clone.") from error
        match = re.search(r"^name: *[\"']?([\w.-]+)", text, re.MULTILINE)
        if match is None:
            raise UserError(f"{self.project_dir / 'Pulumi.yaml'} has no name", "Add a line `name: ...`.")
        return match[1]

    # --- inside

    def _stack_file(self) -> Path:
        text = (self.project_dir / "Pulumi.yaml").read_text()
        match = re.search(r"^stackConfigDir: *[\"']?([^\"'\s]+)", text, re.MULTILINE)
        return self.project_dir / (match[1] if match else ".") / f"Pulumi.{self.stack}.yaml"

    def _need_stack(self) -> None:
        if not self.exists():
            raise UserError(f"stack {self.stack} is not up", f"Bring it up: skywright up -s {self.stack}")

    def _pack(self) -> list[str]:
        return ["--policy-pack", str(self.policy_pack)] if self.policy_pack else []

    def _command(self, *words: str) -> list[str]:
        return [str(self.found.cli), *words, "--non-interactive", "--color", "never", "--stack", self.stack]

    def _ask(self, *words: str) -> str:
        """A short command's standard output."""
        command = self._command(*words)
        if words[:2] in (("stack", "ls"), ("stack", "init")):
            command = command[:-2]
        done = subprocess.run(command, cwd=self.project_dir, env=self.environ, capture_output=True, text=True)
        if done.returncode:
            raise self._failed(" ".join(words[:2]), Outcome(), done.stderr)
        return done.stdout

    def _run(self, verb: str, on_line: Lines | None, args: Sequence[str]) -> Outcome:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="skywright-") as folder:
            log = Path(folder) / "events"
            # A session of its own: ^C reaches the engine once, through us; a second one would make it drop its work.
            with subprocess.Popen(
                [*self._command(verb), "--event-log", str(log), *args],
                cwd=self.project_dir,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            ) as process:
                said = follow(process, on_line)
            outcome = dataclasses.replace(events.read(log), duration_s=time.monotonic() - began)
        if process.returncode:
            raise self._failed(verb, outcome, "\n".join(said))
        return outcome

    def _failed(self, verb: str, outcome: Outcome, said: str) -> EngineFailed:
        return failure(verb, self.stack, outcome, said, self.locks())
