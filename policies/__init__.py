"""The review of what a stack declares. Nothing in this folder may bear the name of a standard library module."""

from policies.resources import UNKNOWN, Resource

__all__ = ["UNKNOWN", "Resource"]
