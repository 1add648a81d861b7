"""Skywright on Azure."""

from components.exports import lazily

__getattr__ = lazily(__name__)
