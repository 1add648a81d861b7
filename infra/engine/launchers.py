"""The executables beside a CLI that we built: they start our language host under the project's own interpreter."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

BESIDE = Path(__file__).with_name("beside")

# POSIX sh, because it runs before any interpreter is known. The engine starts it in the project's program folder; a
# `virtualenv` is relative to the project's root, so the search goes upwards, the nearest folder winning. PATH is never
# asked: one engine serves several clones, with and without an activated environment.
LAUNCHER = """\
#!/bin/sh
here=$(dirname "$0")
take() {
    if [ -x "$1/bin/python" ]; then
        python="$1/bin/python"
        return 0
    fi
    return 1
}
find_python() {
    case "$PULUMI_RUNTIME_VIRTUALENV" in /*) take "$PULUMI_RUNTIME_VIRTUALENV" && return 0 ;; esac
    folder=$(pwd -P)
    while :; do
        if [ -n "$PULUMI_RUNTIME_VIRTUALENV" ] && take "$folder/$PULUMI_RUNTIME_VIRTUALENV"; then return 0; fi
        if [ -f "$folder/Pulumi.yaml" ]; then
            named=$(sed -n 's/^ *virtualenv: *//p' "$folder/Pulumi.yaml" | sed 's/["'"'"']//g; s/ *#.*//; q')
            case "$named" in
                "") ;;
                /*) take "$named" && return 0 ;;
                *) take "$folder/$named" && return 0 ;;
            esac
        fi
        if take "$folder/.venv"; then return 0; fi
        [ "$folder" = / ] && return 1
        folder=$(dirname "$folder")
    done
}
if ! find_python; then
    echo "no Python environment for $(pwd): no .venv there or above; run 'make install' in the project" >&2
    exit 1
fi
exec "$python" COMMAND "$@"
"""

COMMANDS = {
    "pulumi-language-python": '-u "$here/host.py" serve',
    "pulumi-resource-pulumi-python": '-S "$here/attach.py"',
}
"""Executable -> what the interpreter runs. Policy packs need none of their own: they run through the language host."""


def copied() -> list[Path]:
    """What lies beside the CLI as it is here: every module of the folder but its `__init__`."""
    return sorted(BESIDE.glob("[!_]*.py"))


def fingerprint() -> str:
    """Of everything that `put` writes: a changed host makes a new copy beside the old one, which may be running."""
    modules = [(path.name, path.read_bytes()) for path in copied()]
    return hashlib.sha256(repr((modules, LAUNCHER, COMMANDS)).encode()).hexdigest()[:12]


def put(bin_dir: Path, cli: Path) -> None:
    """Fill `bin_dir` with the CLI, the host's modules and its launchers.

    The CLI is hard-linked: the engine expects its language host beside its own binary, links resolved.
    """
    bin_dir.mkdir(parents=True)
    try:
        os.link(cli, bin_dir / "pulumi")
    except OSError:
        shutil.copy2(cli, bin_dir / "pulumi")
    for path in copied():
        shutil.copyfile(path, bin_dir / path.name)
    for name, command in COMMANDS.items():
        launcher = bin_dir / name
        launcher.write_text(LAUNCHER.replace("COMMAND", command))
        launcher.chmod(0o755)
