"""A stack's config as one typed, frozen tree that refuses what it does not know; the only reader of pulumi.Config."""

from infra.settings.explain import InvalidSettings, Mistake
from infra.settings.model import SECRET_KEYS, Settings
from infra.settings.read import from_file, from_pulumi, load, secrets_from_pulumi

__all__ = [
    "SECRET_KEYS",
    "InvalidSettings",
    "Mistake",
    "Settings",
    "from_file",
    "from_pulumi",
    "load",
    "secrets_from_pulumi",
]
