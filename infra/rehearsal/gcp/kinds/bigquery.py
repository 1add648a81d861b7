"""Datasets."""

from __future__ import annotations

from infra.rehearsal.core.kinds import ALL, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.kms import KEY
from infra.rehearsal.gcp.requests import BINDING, named, operation

DATASET = "gcp:bigquery/dataset:Dataset"
DATASETS = "https://cloud.google.com/bigquery/docs/datasets#dataset-naming"

KINDS: tuple[Kind, ...] = (
    Kind(
        DATASET,
        judge=Calls(
            "discovery bigquery.v2",
            operation(
                "bigquery.v2",
                "datasets.insert",
                {"datasetId": "datasetReference.datasetId"},
                fixed={"projectId": "{project}"},
            ),
            local={"deleteContentsOnDestroy": "the provider's own: whether tables go with the dataset"},
        ),
        id="projects/{project}/datasets/{datasetId}",
        references={"defaultEncryptionConfiguration.kmsKeyName": Ref(KEY, by=("name",))},
        unique=(Unique(("datasetId",), "googleapi: Error 409: Already Exists: Dataset {datasetId}", "account"),),
        rules=(named("datasetId", r"[A-Za-z0-9_]{1,1024}", DATASETS),),
        immutable=frozenset({"datasetId", "location", "project"}),
    ),
    Kind(
        "gcp:bigquery/datasetIamMember:DatasetIamMember",
        judge=Calls(
            "discovery bigquery.v2",
            operation(
                "bigquery.v2",
                "datasets.patch",
                {"datasetId": "datasetReference.datasetId", "role": "access[].role", "member": "access[].iamMember"},
                fixed={"projectId": "{project}", "datasetId": "{datasetId}"},
                takes=("role", "member", "datasetId"),
            ),
        ),
        id="projects/{project}/datasets/{datasetId}/{role}/{member}",
        references={"datasetId": Ref(DATASET, by=("datasetId",))},
        rules=(BINDING,),
        immutable=ALL,
    ),
)
