"""Skywright on one machine: real processes under a supervisor, declared by dynamic resources."""

from components.exports import lazily

__getattr__ = lazily(__name__)
