"""Fixtures: real ranks."""

from ranks import job, nursery

__all__ = ["job", "nursery"]
