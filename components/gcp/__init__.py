"""Skywright on Google Cloud."""

from components.exports import lazily

__getattr__ = lazily(__name__)
