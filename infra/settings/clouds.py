"""What only one cloud has: each cloud's own section of the stack file.

A file may hold the sections of several clouds, so that swapping the cloud stays a change of two lines; the sections of
the others are checked too, and unused.
"""

from __future__ import annotations

from components.aws.settings import AwsSettings
from components.azure.settings import AzureSettings
from components.gcp.settings import GcpSettings
from components.kubernetes.settings import KubernetesSettings
from components.local.settings import LocalSettings

__all__ = ["AwsSettings", "AzureSettings", "GcpSettings", "KubernetesSettings", "LocalSettings"]
