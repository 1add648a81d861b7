"""A launcher in a process of its own: google-cloud-aiplatform can't be loaded beside Pulumi's SDK, which the judges of
requests bring into the tests' process. One JSON object a line, in and out."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

VARIABLES = (
    "SKYWRIGHT_VERTEX_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "NO_GCE_CHECK", "HOME",
    "GOOGLE_CLOUD_PROJECT",
)  # fmt: skip


class Told(Exception):
    """What the launcher raised: its class, kind, words, remedy."""

    def __init__(self, error: Mapping[str, str]) -> None:
        super().__init__(f"{error['type']}: {error['what']}")
        self.type, self.kind, self.what, self.remedy = (error[key] for key in ("type", "kind", "what", "remedy"))


class Child:
    """Asks the process. `environ` holds for the calls to come."""

    def __init__(self) -> None:
        root = Path(__file__).resolve().parents[3]
        self.environ: dict[str, str] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip

    def __call__(self, do: str, **given: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, "environ": self.environ, **given}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Told(answer["error"])
        return answer["result"]

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def answer(do: str, stack: Any, given: Mapping[str, Any]) -> Any:
    from ml_jobs.contract import JobSpec, StackContract
    from ml_jobs.launch import managed
    from ml_jobs.launch.base import Origin
    from ml_jobs.launch.vertex import VertexLauncher

    if do == "parse":
        from google.cloud.aiplatform_v1 import CreateCustomJobRequest

        return json.loads(CreateCustomJobRequest.to_json(
            CreateCustomJobRequest.from_json(json.dumps(given["request"])),
            use_integers_for_enums=False, including_default_value_fields=False,
        ))  # fmt: skip
    managed.POLL_S = 0.0
    sender = VertexLauncher(StackContract.read(stack))
    if do == "submit":
        request = sender.render(JobSpec.read(given["job"]), Origin(**given["origin"]), attempt=given.get("attempt", 0))
        return sender.submit(request)
    called = getattr(sender, do)(*given.get("args", ()), **given.get("options", {}))
    if do == "_log":
        return called
    if do in ("events", "logs"):
        return list(itertools.islice(called, given.get("limit")))
    found = called if isinstance(called, list) else [called]
    told = [asdict(item) if is_dataclass(item) and not isinstance(item, type) else item for item in found]
    return told if isinstance(called, list) else told[0]


def main() -> None:
    from catalog.errors import SkywrightError

    for line in sys.stdin:
        given = json.loads(line)
        for name in VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(given.pop("environ"))
        try:
            told: dict[str, Any] = {"result": answer(given.pop("do"), given.pop("stack", None), given)}
        except SkywrightError as error:
            said = {"what": error.what, "remedy": error.remedy, "kind": getattr(error, "kind", "")}
            told = {"error": {"type": type(error).__name__, **said}}
        except Exception as error:
            told = {"error": {"type": type(error).__name__, "what": str(error), "remedy": "", "kind": ""}}
        sys.stdout.write(json.dumps(told, default=str) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
