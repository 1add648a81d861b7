"""How a rank's log reads: for people at a terminal, one JSON object a line where a platform collects it.

Every line of JSON has time (RFC 3339, UTC), severity, message, logger, run, rank and attempt; a traceback is `stack`.
Cloud Logging and CloudWatch take `severity`, `message` and `time` as they are.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from catalog.errors import did_you_mean, mistake
from ml_jobs.runtime.environment import ATTEMPT_VARIABLE, RUN_ID_VARIABLE
from ml_jobs.runtime.platforms import node

FORMAT_VARIABLE = "SKYWRIGHT_LOG_FORMAT"
FORMATS = ("human", "json")
COLLECTED = frozenset({"kubernetes", "sagemaker", "vertex", "azureml"})
"""Platforms that keep what is written to stderr, line by line."""


class JsonFormatter(logging.Formatter):
    """One line a record, whatever its message holds."""

    def __init__(self, facts: Mapping[str, str | int]) -> None:
        super().__init__()
        self._facts = dict(facts)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            **self._facts,
        }
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def form(env: Mapping[str, str]) -> str:
    """`human` or `json`: as SKYWRIGHT_LOG_FORMAT says, else as the platform collects. Raises UserError."""
    given = env.get(FORMAT_VARIABLE)
    if given and given not in FORMATS:
        raise mistake(FORMAT_VARIABLE, given, " or ".join(FORMATS), did_you_mean(given, list(FORMATS)))
    return given or ("json" if node(env).platform in COLLECTED else "human")


def configure(env: Mapping[str, str]) -> None:
    """Send the root logger's records to stderr. A format that is unknown is told, and read as `human`."""
    rank = env.get("RANK", "0")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"%(asctime)s rank {rank} %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        is_json = form(env) == "json"
    except Exception as error:  # the rank's own look at its place says it again, and ends
        logging.getLogger(__name__).warning("%s", error)
        return
    if is_json:
        attempt = env.get(ATTEMPT_VARIABLE) or env.get("TORCHELASTIC_RESTART_COUNT") or "0"
        facts = {"run": env.get(RUN_ID_VARIABLE, ""), "rank": _number(rank), "attempt": _number(attempt)}
        handler.setFormatter(JsonFormatter(facts))


def _number(text: str) -> str | int:
    return int(text) if text.isdigit() else text
