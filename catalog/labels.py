"""Tags as each cloud takes them. AWS and Azure take ours as they are; Google Cloud and Kubernetes take less."""

from __future__ import annotations

import re
from collections.abc import Mapping

LABEL_LENGTH = 63


def gcp_labels(tags: Mapping[str, str]) -> dict[str, str]:
    """Keys and values in lower case, of letters, digits, `_` and `-`, at most 63 characters.

    Source: https://cloud.google.com/resource-manager/docs/labels-overview#requirements
    """
    return {
        _replaced(key.lower(), r"[^a-z0-9_-]"): _replaced(value.lower(), r"[^a-z0-9_-]") for key, value in tags.items()
    }


def kubernetes_labels(tags: Mapping[str, str], *, prefix: str = "skywright.dev") -> dict[str, str]:
    """Keys under `prefix`; values of letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
    """
    return {
        f"{prefix}/{key.replace('_', '-').strip('-')}": _replaced(value, r"[^A-Za-z0-9_.-]").strip("-_.")
        for key, value in tags.items()
    }


def _replaced(text: str, forbidden: str) -> str:
    return re.sub(forbidden, "-", text)[:LABEL_LENGTH]
