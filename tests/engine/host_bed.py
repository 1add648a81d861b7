"""The language host as the engine starts it: its launchers, and a gRPC client instead of the engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime.proto import language_pb2 as messages

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "LANG": "C.UTF-8"}


def start(bin_dir: Path, cwd: Path, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [bin_dir / "pulumi-language-python", "127.0.0.1:1"],
        cwd=cwd,
        env=ENVIRONMENT | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as the engine does: it interrupts its plugins as a group
    )


def info(folder: Path, **options: str) -> Any:
    struct = struct_pb2.Struct()
    struct.update(options)
    program = str(folder / "deep" / "program")
    return messages.ProgramInfo(root_directory=str(folder), program_directory=program, entry_point=".", options=struct)


def plugin(host: Any, folder: Path, code: str, kind: str = "analyzer", **env: str) -> tuple[bytes, bytes, int | None]:
    (folder / "deep" / "program" / "__main__.py").write_text(code)
    request = messages.RunPluginRequest(
        pwd=str(folder),
        args=["127.0.0.1:1"],
        env=[f"{name}={value}" for name, value in (ENVIRONMENT | env).items()],
        info=info(folder),
        kind=kind,
    )
    out, err, code_seen = b"", b"", None
    for answer in host.RunPlugin(request, timeout=30):
        out, err = out + answer.stdout, err + answer.stderr
        code_seen = answer.exitcode if answer.WhichOneof("output") == "exitcode" else code_seen
    return out, err, code_seen


def environment(folder: Path) -> Path:
    """A virtual environment of its own, in which the packages of this test run are found."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "parent.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")))
    return folder
