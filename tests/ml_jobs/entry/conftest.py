"""Containers without a container engine: the entry point as a process below a root of its own."""

from entry_stand import container

__all__ = ["container"]
