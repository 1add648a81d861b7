"""A call that may hang, such as a search for credentials at a metadata server that isn't there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Late(Exception):
    """There was no answer in time."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """What the call returns or raises. Raises Late after `seconds`; the call is then left to its end, which nobody
    waits for, not even the process when it exits."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="quotas", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise Late
    return answers[0]
