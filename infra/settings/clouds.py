"""What only one cloud has: each cloud's own section of the stack file.

A file may hold the sections of several clouds, so that swapping the cloud stays a change of two lines; the sections of
the others are checked too, and unused.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.local.settings import LocalSettings
from components.specs import Spec
from ml_jobs.contract import Name


class AwsSettings(Spec):
    account_id: Annotated[str, Field(pattern=r"^\d{12}$")] | None = Field(
        None, description="12 digits in quotes; credentials of another account are refused"
    )


class GcpSettings(Spec):
    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")] | None = Field(
        None, description="project id; default: the credentials' own"
    )


class AzureSettings(Spec):
    subscription_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")] | None = (
        Field(None, description="a UUID; default: the credentials' own")
    )
    resource_group: str | None = Field(None, max_length=90, description="an existing one to use instead of a new one")


class KubernetesSettings(Spec):
    context: str | None = Field(None, description="a context of the kubeconfig; default: its current one")
    namespace: Name = "skywright"
    storage_url: Annotated[str, Field(pattern=r"^(s3|gs|abfs|abfss|file)://")] | None = Field(
        None, description="fsspec URL that the cluster can reach (s3, gs, abfs, file); default: a volume in the cluster"
    )


__all__ = ["AwsSettings", "AzureSettings", "GcpSettings", "KubernetesSettings", "LocalSettings"]
