"""`skywright demo`: the whole way from an empty machine to a rolled-back release, in commands that anybody can type."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from typing import Any

import typer

from catalog.errors import SkywrightError
from infra.cli import render
from infra.cli.options import StackOption
from infra.stack import call, project_dir, stack_contract
from ml_jobs.identity import read_token

FILE = """\
# A stack of this machine alone: git-ignored, written by `skywright demo`.
config:
  skywright:cloud: local
  skywright:environment: dev
  skywright:owner: demo
  skywright:cost_center: demo
  skywright:training:
    spot_fallback_s: 20
    pools:
      spot: {is_spot: true, max_count: 2, ranks: 2}
      on-demand: {max_count: 1, ranks: 2}
  skywright:budget:
    monthly_limit_usd: 1.00
    steps:
      - {percent: 0.2, effect: notify} # low, so that the tour reaches it
      - {percent: 80, effect: block_new}
      - {percent: 100, effect: stop_spot}
      - {percent: 120, effect: scale_to_zero}
"""


def demo(stack: StackOption = "demo") -> None:
    """Bring a local stack up, train through a preemption, approve, release, canary, roll back; every step is shown."""
    began = time.monotonic()
    path = project_dir() / "stacks" / f"Pulumi.{stack}.yaml"
    if not path.exists():
        path.write_text(FILE)
    tour = Tour(stack)
    tour.say("One platform on this machine: a scheduler, a registry, a router, a monitor and a ledger.")
    tour.run("up")
    tour.say("A small network learns handwritten digits, on spot capacity.")
    first = tour.train("--param", "width=8", "--param", "seed=0")
    tour.say("A second, wider one, so that there is something to compare; spot goes away in the middle of it.")
    second = tour.train_through_preemption("--param", "width=16", "--param", "seed=1")
    tour.run("models", "list")
    override = ("--override", "the tour shows both")  # a stack that has seen the tour serves a better one already
    tour.say("Nothing is served that nobody approved.")
    tour.run("models", "approve", "digits", str(first), "--reason", "held-out accuracy is fine", *override)
    tour.run("release", "digits", str(first), "--quiet")
    tour.run("predict", "--sample", "3")
    tour.run("models", "approve", "digits", str(second), "--reason", "wider, and at least as accurate", *override)
    tour.say("A canary: one request in ten goes to the new version.")
    tour.run("release", "digits", str(second), "--weight", "10", "--quiet")
    tour.run("predict", "--sample", "200")
    tour.say("Back again; no request was dropped on the way.")
    tour.run("rollback", "--reason", "the tour shows a rollback", "--quiet")
    tour.run("budget", "status")
    tour.run("audit", "--limit", "6")
    tour.run("status")
    tour.run("page", "--no-open")
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    render.say(f"\nThat was the whole way, in {minutes} min {seconds} s. To try next:", style="bold")
    for words, what in (
        (["drill", "preemption", "--count", "5"], "preempt jobs at random moments and compare the weights"),
        (["train", "digits", "--param", "width=24"], "train a third version"),
        (["models", "show", "digits", str(second)], "what the registry knows of a version"),
    ):
        render.say(f"  {tour.typed(words):<60} {what}")
    render.say(f"  {'make down':<60} stop all of it; data stays")


class Tour:
    """Runs commands as if they were typed, and shows them."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.step = 0

    def say(self, text: str) -> None:
        self.step += 1
        render.say(f"\n{self.step}. {text}", style="bold cyan")

    def typed(self, words: Sequence[str]) -> str:
        return f"skywright {shlex.join(words)} -s {self.stack}"

    def run(self, *words: str) -> None:
        """One command, in this process; a mistake ends the tour with the command's own error."""
        from infra.cli.main import app

        render.say(f"\n$ {self.typed(words)}", style="bold")
        try:
            typer.main.get_command(app).main([*words, "-s", self.stack], standalone_mode=False)
        except typer.Exit as ended:
            if ended.exit_code:
                raise

    def train(self, *params: str) -> int:
        """Train and follow; the version that came of it."""
        self.run("train", "digits", *params, "--follow")
        return self._version_of(self._jobs()[0]["id"])

    def train_through_preemption(self, *params: str) -> int:
        """Train, take the spot slot away as soon as there is something to lose, and follow to the end."""
        self.run("train", "digits", *params, "--detach")
        job = self._jobs()[0]["id"]
        self._wait_for_steps(job)
        self.run("runs", "preempt", job, "--notice", "5")
        self.run("runs", "logs", job, "--follow")
        return self._version_of(job)

    def _jobs(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self._ask("/jobs?limit=1")["jobs"]
        return jobs

    def _version_of(self, job: str) -> int:
        found = self._ask(f"/jobs/{job}")
        if found["state"] != "succeeded" or not found.get("model"):
            raise SkywrightError(
                f"job {job} {found['state']}: {found.get('message')}", self.typed(["runs", "logs", job])
            )
        return int(found["model"]["version"])

    def _wait_for_steps(self, job: str, seconds: float = 60) -> None:
        """Until the job has reported a loss: then it has done work that a preemption could lose."""
        deadline, after = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            found = self._ask(f"/jobs/{job}/events?after={after}&wait_s=5")
            after = found["next"]
            if any(event["type"] == "metrics" for event in found["events"]):
                return
        raise SkywrightError(f"job {job} made no step within {seconds:g} s", self.typed(["runs", "logs", job]))

    def _ask(self, path: str) -> Any:
        contract = stack_contract(self.stack)
        url = contract.queues[0].ref
        return call("GET", f"{url}{path}", token=read_token(contract.identities.viewer), what="the scheduler")


def register(app: typer.Typer) -> None:
    app.command()(demo)
