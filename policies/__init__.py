"""The review of what a stack declares. Nothing in this folder may bear the name of a standard library module."""

from policies.resources import SECRET, UNKNOWN, Resource

__all__ = ["SECRET", "UNKNOWN", "Resource"]
