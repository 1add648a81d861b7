"""The only link between what is declared and what runs: plain, frozen, versioned records.

`infra` writes a `StackContract` as the stack's output `platform`; launchers, jobs and servers read it from the file
that `SKYWRIGHT_CONTRACT` names. A reader ignores fields that it does not know and refuses another major version.
"""

from __future__ import annotations

import json
import os
import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from catalog.errors import UserError

CONTRACT_VERSION = 1
CONTRACT_VARIABLE = "SKYWRIGHT_CONTRACT"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="lower case letters, digits and dashes")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")]
Percent = Annotated[float, Field(ge=0, le=100)]


def explain(error: ValidationError, where: str) -> str:
    """A pydantic error as one line: the path, the value given, what is allowed."""
    lines = []
    for item in error.errors():
        path = ".".join([where, *(str(part) for part in item["loc"])]) if where else ".".join(map(str, item["loc"]))
        given = item.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
        lines.append(f"{path}: {item['msg']}{shown}")
    return "; ".join(lines)


class Record(BaseModel):
    """A frozen record. Built by hand it takes only known fields; `read` ignores newer ones.

    A default that is a record is made on use: the first one built costs pydantic a look at every installed package.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def read(cls, data: Any, *, where: str = "") -> Self:
        """Parse a stored or received record. Raises UserError in one line."""
        for key in ("version", "format_version"):
            stated = cls.model_fields.get(key)  # a release's version, which is required, is the model's
            given = data.get(key) if isinstance(data, dict) else None
            if stated and not stated.is_required() and isinstance(given, int) and given > stated.default:
                raise UserError(
                    f"{where or cls.__name__} has {key.replace('_', ' ')} {given}; this release reads {stated.default}",
                    "Upgrade skywright where the job runs, or deploy the stack with the older release.",
                )
        try:
            return cls.model_validate(data, extra="ignore")
        except ValidationError as error:
            raise UserError(explain(error, where or cls.__name__)) from None


class Capacity(str, Enum):
    """Which capacity a job may take."""

    SPOT_PREFERRED = "spot_preferred"
    SPOT_ONLY = "spot_only"
    ON_DEMAND_ONLY = "on_demand_only"


class Resources(Record):
    """What each node of a job needs: `count` accelerators (one rank each), or `count` CPU ranks."""

    accelerator: str | None = None
    cpu: float = Field(1, gt=0, description="cores per rank, when there is no accelerator")
    count: int = Field(1, ge=1, le=64)
    nodes: int = Field(1, ge=1, le=512)

    @property
    def world_size(self) -> int:
        return self.count * self.nodes


class Retries(Record):
    """Preemptions are always resumed; failures are retried `failure` times."""

    failure: int = Field(1, ge=0, le=20)


class Input(Record):
    """Data that a job reads. `columns` maps a column to its check: dtype, nullable, minimum, maximum."""

    name: Name
    url: str
    digest: Sha256 | None = None
    columns: dict[str, dict[str, Any]] = Field(default_factory=dict, alias="schema")

    model_config = ConfigDict(populate_by_name=True)


class CheckpointPolicy(Record):
    keep: int = Field(3, ge=1, le=100)
    max_overhead: float = Field(0.02, gt=0, le=0.5, description="share of the loop's time that saving may block")


class JobSpec(Record):
    """What a job asks for, on any stack."""

    version: int = 1
    name: Name
    team: Name = "default"
    entry: str = Field(description="module:function")
    params: dict[str, Any] = Field(default_factory=dict)
    image: str | None = None
    resources: Resources = Field(default_factory=Resources)
    capacity: Capacity = Capacity.SPOT_PREFERRED
    deadline_s: float | None = Field(None, gt=0)
    estimated_work_s: float | None = Field(None, gt=0)
    priority: int = Field(0, ge=-100, le=100)
    queue: str | None = None
    retries: Retries = Field(default_factory=Retries)
    inputs: tuple[Input, ...] = ()
    output: Name | None = Field(None, description="the model that the job registers a version of")
    checkpoint: CheckpointPolicy = Field(default_factory=CheckpointPolicy)
    env: dict[str, str] = Field(default_factory=dict)
    secret_refs: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    data_classification: Literal["public", "internal", "personal", "health"] = "internal"

    @field_validator("entry")
    @classmethod
    def _entry_names_a_function(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", value):
            raise ValueError("must be module:function, as in ml_jobs.train.digits:train")
        return value

    @model_validator(mode="after")
    def _work_fits_the_deadline(self) -> Self:
        if self.deadline_s and self.estimated_work_s and self.estimated_work_s > self.deadline_s:
            raise ValueError(
                f"estimated_work_s ({self.estimated_work_s:g}) is longer than deadline_s ({self.deadline_s:g})"
            )
        return self


class Release(Record):
    """One version behind an endpoint, whole: nothing about it is looked up when it is deployed or reviewed."""

    model: Name
    version: int = Field(ge=1)
    artifact_url: str
    artifact_sha256: Sha256
    image_digest: str | None = None
    approval_ref: str | None = Field(None, description="the approval record: URL of the log, #sha256= of the record")
    weight_percent: Percent = 0
    shadow_percent: Percent = 0


def check_weights(releases: dict[str, Release]) -> None:
    """Weights of all releases sum to 100. Raises ValueError that says what they sum to."""
    total = sum(release.weight_percent for release in releases.values())
    if releases and abs(total - 100) > 1e-6:
        given = ", ".join(f"{name} {release.weight_percent:g}" for name, release in releases.items())
        raise ValueError(f"weights must sum to 100; {given} sum to {total:g}")


class Identities(Record):
    """Who acts: a role's reference on a cloud, a token file on the local stack. Never a secret itself."""

    training: str
    serving: str
    pipeline: str
    approver: str
    viewer: str | None = None
    admin: str | None = None
    approver_key: str | None = Field(None, description="public key that approvals are verified with")


class StorageUrls(Record):
    """fsspec URLs of folders, without a trailing slash."""

    data: str
    artifacts: str
    checkpoints: str
    key: str | None = Field(None, description="the key that encrypts them, as the cloud refers to it")


class NetworkRefs(Record):
    """Where jobs are placed, as the cloud refers to it; empty where a cluster or this machine decides."""

    subnets: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = Field((), description="security groups that a job's instances join")


class RegistryRefs(Record):
    tracking_url: str
    models_ref: str
    image_url: str | None = None


class Pool(Record):
    """Capacity of one kind. Prices in USD per instance hour; times in seconds."""

    name: Name
    accelerator: str | None = None
    count: int = Field(1, ge=1, description="accelerators, or CPU ranks, of one instance")
    instance_type: str
    is_spot: bool = False
    zones: tuple[str, ...] = ()
    max_count: int = Field(1, ge=0)
    usd_per_hour: float | None = Field(None, ge=0)
    start_s: float = Field(0, ge=0)
    mtbf_s: float | None = Field(None, gt=0, description="mean time between preemptions")
    notice_s: float = Field(0, ge=0)
    node_labels: dict[str, str] = Field(
        default_factory=dict, description="what all nodes of the pool on a cluster that was brought are labelled with"
    )


class Queue(Record):
    """Where jobs are sent. `ref`: the scheduler's URL on local, the LocalQueue's name on Kubernetes."""

    name: Name
    ref: str | None = None


class Endpoint(Record):
    url: str
    protocol: Literal["open-inference-v2", "sagemaker", "vertex", "azureml"] = "open-inference-v2"
    releases: dict[str, Release] = Field(default_factory=dict)


class Telemetry(Record):
    otlp_url: str | None = None
    metrics_url: str | None = None
    tensorboard_ref: str | None = None


class BudgetRefs(Record):
    state_url: str | None = None


class StackContract(Record):
    """What a stack gives its jobs: the same keys on every cloud."""

    version: int = CONTRACT_VERSION
    stack: str
    environment: str
    cloud: Literal["aws", "gcp", "azure", "kubernetes", "local"]
    region: str | None = None
    identities: Identities
    storage: StorageUrls
    network: NetworkRefs = Field(default_factory=NetworkRefs)
    registry: RegistryRefs
    pools: tuple[Pool, ...] = ()
    queues: tuple[Queue, ...] = ()
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    telemetry: Telemetry = Field(default_factory=Telemetry)
    budget: BudgetRefs = Field(default_factory=BudgetRefs)

    @classmethod
    def from_environment(cls) -> StackContract:
        """The contract of the stack that this process runs on. Raises UserError when there is none."""
        path = os.environ.get(CONTRACT_VARIABLE)
        if not path:
            raise UserError(
                f"{CONTRACT_VARIABLE} is not set", "Start the job with `skywright train`, or name the contract's file."
            )
        try:
            return cls.read(json.loads(Path(path).read_text()), where=path)
        except (OSError, json.JSONDecodeError) as error:
            raise UserError(f"{CONTRACT_VARIABLE} names {path}, which can't be read: {error}") from None


class Metric(str, Enum):
    """The closed catalogue of what alerts may watch; units in UNITS."""

    REQUEST_RATE = "request_rate"
    ERROR_RATIO = "error_ratio"
    LATENCY = "latency"
    REPLICAS_READY = "replicas_ready"
    JOB_FAILURES = "job_failures"
    PREEMPTIONS = "preemptions"
    QUEUE_WAIT = "queue_wait"
    STEP_TIME = "step_time"
    GOODPUT = "goodput"
    ACCELERATOR_UTILISATION = "accelerator_utilisation"
    ACCELERATOR_MEMORY = "accelerator_memory"
    ACCELERATOR_ERRORS = "accelerator_errors"
    SPEND_RATIO = "spend_ratio"


UNITS: dict[Metric, str] = {
    Metric.REQUEST_RATE: "requests/s",
    Metric.ERROR_RATIO: "ratio",
    Metric.LATENCY: "s",
    Metric.REPLICAS_READY: "count",
    Metric.JOB_FAILURES: "count",
    Metric.PREEMPTIONS: "count",
    Metric.QUEUE_WAIT: "s",
    Metric.STEP_TIME: "s",
    Metric.GOODPUT: "ratio",
    Metric.ACCELERATOR_UTILISATION: "ratio",
    Metric.ACCELERATOR_MEMORY: "ratio",
    Metric.ACCELERATOR_ERRORS: "count",
    Metric.SPEND_RATIO: "ratio",
}


class AlertRule(Record):
    """When to call somebody. `aggregation` folds the samples of `window_s`; the condition must hold for `for_s`."""

    name: Name
    metric: Metric
    aggregation: Literal["avg", "sum", "min", "max", "p50", "p90", "p95", "p99"] = "avg"
    window_s: float = Field(60, ge=1, le=86_400)
    comparison: Literal[">", ">=", "<", "<="] = ">"
    threshold: float
    for_s: float = Field(0, ge=0, le=86_400)
    absent: Literal["ok", "alarm"] = "ok"
    severity: Literal["info", "warning", "critical"] = "warning"
    labels: dict[str, str] = Field(default_factory=dict)
