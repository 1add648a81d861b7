"""`python -m ml_jobs.entry train|serve|batch`: run this node of a job, or the model server of a release."""

from __future__ import annotations

import importlib
import os
import sys

from catalog.errors import SkywrightError, did_you_mean, mistake

ROLES = {
    "train": "ml_jobs.entry.train:train",
    "batch": "ml_jobs.entry.train:train",  # scoring is a job like any other
    "serve": "ml_jobs.entry.serve:serve",
}


def main(words: list[str]) -> int:
    """The exit code: 0 done, 75 preempted, 78 a mistake, anything else a failure. A mistake is one line on stderr."""
    try:
        if len(words) != 1 or words[0] not in ROLES:
            given = " ".join(words)
            raise mistake("role", given, ", ".join(ROLES), did_you_mean(given, list(ROLES)))
        if client := os.environ.get("DEFAULT_IDENTITY_CLIENT_ID"):
            # Azure ML names its job's identity so; azure-identity, below adlfs, looks for the other name.
            os.environ.setdefault("AZURE_CLIENT_ID", client)
        module, _, function = ROLES[words[0]].partition(":")
        code: int = getattr(importlib.import_module(module), function)(dict(os.environ))
        return code
    except SkywrightError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
