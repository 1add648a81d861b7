"""A virtual environment for each peer, below the user's cache folder: their needs differ from ours and each other's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import platformdirs

PACKAGES = {
    "mlserver": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1"),
    "litserve": ("litserve==0.2.19",),
    "bentoml": ("bentoml==1.4.40",),
    "checkov": ("checkov==3.3.30",),
}
"""The releases that were the latest on 2026-11-24, Checkov's on 2026-11-30."""

SHARED = ("httptools", "joblib", "numpy", "scikit-learn", "uvicorn", "uvloop")
"""In our own versions: a model is read by the scikit-learn that wrote it, and the HTTP stack is the same."""


def python_of(peer: str, *, shared: tuple[str, ...] = SHARED) -> Path:
    """The interpreter of the peer's environment, made at the first call, with our own versions of what is `shared`."""
    wanted = [*PACKAGES[peer], *(f"{name}=={version(name)}" for name in shared)]
    folder = platformdirs.user_cache_path("skywright") / "bench" / peer
    python, made = folder / "bin" / "python", folder / "requirements.txt"
    if made.exists() and made.read_text().split() == wanted:
        return python
    sys.stderr.write(f"making the environment of {peer}: {' '.join(wanted)}\n")
    shutil.rmtree(folder, ignore_errors=True)
    if uv := shutil.which("uv"):
        _run(uv, "venv", "-q", "--python", sys.executable, str(folder))
        _run(uv, "pip", "install", "-q", "--python", str(python), *wanted)
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(python), "-m", "pip", "install", "-q", *wanted)
    made.write_text("\n".join(wanted))
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
