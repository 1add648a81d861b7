"""Calls of `vertex` in a process of their own: Pulumi's SDK and Google's both register google.rpc.Status, and protobuf
refuses the second in one process (`duplicate symbol`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from catalog.errors import SkywrightError


def ask(action: str, *props: Mapping[str, Any]) -> Any:
    """What the function of `vertex` by that name gives back. Raises SkywrightError in its words."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-m", "components.gcp.vertex_process", action],
        input=json.dumps([dict(item) for item in props]),
        capture_output=True,
        text=True,
        check=False,
        env=environ,
    )
    if done.returncode:
        raise SkywrightError((done.stderr.strip().splitlines() or ["Vertex can't be asked"])[-1])
    return json.loads(done.stdout)


def main(action: str) -> int:
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    from components.gcp import vertex

    try:
        answer = getattr(vertex, action)(*json.load(sys.stdin))
    except (SkywrightError, GoogleAPICallError, GoogleAuthError) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
