"""Skywright on Kubernetes."""

from components.exports import lazily

__getattr__ = lazily(__name__)
