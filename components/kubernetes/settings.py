"""What only a cluster that the user brings has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.specs import Spec
from ml_jobs.contract import Name


class KubernetesSettings(Spec):
    context: str | None = Field(None, description="a context of the kubeconfig; default: its current one")
    namespace: Name = "skywright"
    storage_url: Annotated[str, Field(pattern=r"^(s3|gs|abfs|abfss|file)://")] | None = Field(
        None, description="fsspec URL that the cluster can reach (s3, gs, abfs, file); default: a volume in the cluster"
    )
