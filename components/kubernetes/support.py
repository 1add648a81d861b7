"""What Kubernetes does, on a cluster that the user brings and on those that the clouds' components make."""

from __future__ import annotations

from components.features import Support

SUPPORT: dict[str, Support] = {}
