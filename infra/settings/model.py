"""The tree of a stack's settings, one class per cloud, discriminated on `cloud`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema

from catalog.regions import REGIONS
from components.specs import (
    BudgetSpec,
    EndpointSpec,
    IdentitySpec,
    MonitoringSpec,
    NetworkSpec,
    RegistrySpec,
    Spec,
    StorageSpec,
    TrainingSpec,
)
from infra.settings.clouds import AwsSettings, AzureSettings, GcpSettings, KubernetesSettings, LocalSettings
from infra.settings.review import ReviewSettings

Cloud = Literal["aws", "gcp", "azure", "kubernetes", "local"]

SECRET_KEYS: dict[str, str] = {
    "webhookToken": "the bearer token that goes with alarms to monitoring.webhook_url",
}
"""Secrets: flat top-level keys, set by `pulumi config set --secret`. Settings never hold their values."""

Text = Annotated[str, Field(min_length=1, max_length=63)]
TagKey = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="lower case letters, digits, underscores and dashes")
]
TagValue = Annotated[str, Field(max_length=63)]


class _OneOf:
    """A text out of a list that is known only at run time; the JSON schema shows it as an enum."""

    def __init__(self, known: Sequence[str]) -> None:
        self.known = list(known)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "enum": self.known}

    def check(self, value: str) -> str:
        if value not in self.known:
            raise PydanticCustomError("enum", "not one of the known")
        return value


_AWS, _GCP, _AZURE = (_OneOf(REGIONS[cloud]) for cloud in ("aws", "gcp", "azure"))


class Settings(Spec):
    """What a stack's file says, checked. `load` makes one of the five subclasses below."""

    stack: str = Field(description="the stack's name; not a key of the file")
    cloud: Cloud
    region: str | None = Field(None, description="a label on kubernetes, absent on local")
    environment: Literal["dev", "staging", "prod"] = "dev"
    owner: Text | None = Field(None, description="the team or person who answers for the stack")
    cost_center: Text | None = Field(None, description="who pays")
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, description="put onto everything that can carry tags")
    ttl_hours: float | None = Field(None, gt=0, le=8760, description="hours until a dev stack may be swept away")
    backend: Annotated[str, Field(pattern=r"^(file|s3|gs|azblob)://")] | None = Field(
        None, description="URL of the state backend: file://, s3://, gs:// or azblob://; default: this machine"
    )
    usage: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = Field(
        default_factory=dict, description="expected usage for the cost review: resource name -> quantity -> number"
    )

    review: ReviewSettings = Field(default_factory=ReviewSettings)

    network: NetworkSpec = Field(default_factory=NetworkSpec)
    identity: IdentitySpec = Field(default_factory=IdentitySpec)
    storage: StorageSpec = Field(default_factory=StorageSpec)
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    registry: RegistrySpec = Field(default_factory=RegistrySpec)
    endpoint: EndpointSpec = Field(default_factory=EndpointSpec)
    monitoring: MonitoringSpec = Field(default_factory=MonitoringSpec)
    budget: BudgetSpec = Field(default_factory=BudgetSpec)

    aws: AwsSettings = Field(default_factory=AwsSettings)
    gcp: GcpSettings = Field(default_factory=GcpSettings)
    azure: AzureSettings = Field(default_factory=AzureSettings)
    kubernetes: KubernetesSettings = Field(default_factory=KubernetesSettings)
    local: LocalSettings = Field(default_factory=LocalSettings)

    @property
    def is_production(self) -> bool:
        return self.environment == "prod"

    @property
    def own(self) -> Spec:
        """The selected cloud's own section."""
        section: Spec = getattr(self, self.cloud)
        return section

    def all_tags(self) -> dict[str, str]:
        """The user's tags and the platform's own, as every component carries them."""
        own = {
            "project": "skywright",
            "stack": self.stack,
            "environment": self.environment,
            "owner": self.owner,
            "cost_center": self.cost_center,
            "managed_by": "pulumi",
        }
        return {**self.tags, **{key: value for key, value in own.items() if value is not None}}


OWN_TAGS = ("project", "stack", "environment", "owner", "cost_center", "managed_by")
"""Tags that the platform sets itself."""


class AwsStack(Settings):
    cloud: Literal["aws"]
    region: Annotated[str, AfterValidator(_AWS.check), _AWS]


class GcpStack(Settings):
    cloud: Literal["gcp"]
    region: Annotated[str, AfterValidator(_GCP.check), _GCP]


class AzureStack(Settings):
    cloud: Literal["azure"]
    region: Annotated[str, AfterValidator(_AZURE.check), _AZURE]


class KubernetesStack(Settings):
    cloud: Literal["kubernetes"]
    region: Text | None = None


class LocalStack(Settings):
    cloud: Literal["local"]
    region: None = Field(None, description="a local stack has no region")


STACKS: dict[str, type[Settings]] = {
    "aws": AwsStack,
    "gcp": GcpStack,
    "azure": AzureStack,
    "kubernetes": KubernetesStack,
    "local": LocalStack,
}

KEYS: tuple[str, ...] = tuple(key for key in Settings.model_fields if key != "stack")
"""The keys that may stand behind `skywright:`, the secrets aside."""


def as_schema(kind: type[Settings]) -> dict[str, Any]:
    """The JSON schema of one cloud's settings, as pydantic writes it, `stack` left out."""
    schema = kind.model_json_schema()
    schema["properties"].pop("stack")
    schema["required"].remove("stack")
    return schema
