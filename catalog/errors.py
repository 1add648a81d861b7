"""The one shape of an error that a user sees: what, the value given, what is allowed, how to mend it."""

from __future__ import annotations

EXIT_USER_ERROR = 78
"""sysexits' EX_CONFIG: a mistake in a job or a configuration; never retried."""

EXIT_PREEMPTED = 75
"""sysexits' EX_TEMPFAIL: the capacity went away; resume me."""


class SkywrightError(Exception):
    """Something a person can mend. Commands print it as one line and exit non-zero; nothing prints a traceback for it.

    `what` names the thing and what is wrong with it, `remedy` the next step. `exit_code` is the process's exit status.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what.rstrip(".")
        self.remedy = remedy
        super().__init__(f"{self.what}. {remedy}".strip() if remedy else f"{self.what}.")


class UserError(SkywrightError):
    """The mistake is in what the user gave: a value, a name, a file."""

    exit_code = EXIT_USER_ERROR


def mistake(where: str, value: object, allowed: str, remedy: str = "") -> UserError:
    """A wrong value: `where` is its path or name, `allowed` the whole of what may stand there."""
    return UserError(f"{where} is {value!r}; allowed: {allowed}", remedy)


def did_you_mean(given: str, known: list[str]) -> str:
    """`Did you mean X?`, or the empty string when nothing known is close."""
    import difflib

    close = difflib.get_close_matches(given, known, n=5)
    close.sort(key=lambda name: sorted(name) != sorted(given))  # swapped letters first
    return f"Did you mean {close[0]}?" if close else ""
