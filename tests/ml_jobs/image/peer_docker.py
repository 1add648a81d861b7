"""Stands for the docker command on a test's PATH: notes how it was called, answers as the test's script says.

The script is JSON beside this file's copy: {"buildx": bool, "daemon": bool, "digest": str, "fails": {command: text}}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

here = Path(__file__).parent
script = json.loads((here / "script.json").read_text())
words = sys.argv[1:]
with open(here / "calls.jsonl", "a") as calls:
    calls.write(json.dumps(words) + "\n")


def fail(text):
    sys.stderr.write(text + "\n")
    sys.exit(1)


if words[0] == "version":
    if not script["daemon"]:
        fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?")
    print("28.2.2")
elif words[:2] == ["buildx", "version"]:
    if not script["buildx"]:
        fail("docker: unknown command: docker buildx")
elif "build" in words[:2]:
    print("#1 [base 1/2] FROM the base")
    if "build" in script["fails"]:
        fail(script["fails"]["build"])
    if "--metadata-file" in words:
        found = {"containerimage.digest": script["digest"]} if "--push" in words else {}
        Path(words[words.index("--metadata-file") + 1]).write_text(json.dumps(found))
elif words[0] == "push":
    if "push" in script["fails"]:
        fail(script["fails"]["push"])
elif words[:2] == ["image", "inspect"]:
    repository = words[-1].rpartition(":")[0]
    print(json.dumps([f"other.example/x@sha256:{'0' * 64}", f"{repository}@{script['digest']}"]))
else:
    fail(f"docker has no {words[0]}")
