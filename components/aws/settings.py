"""What only AWS has."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.kubernetes.settings import PlatformSettings
from components.specs import Spec

VpcId = Annotated[str, Field(pattern=r"^vpc-([0-9a-f]{8}|[0-9a-f]{17})$")]
SubnetId = Annotated[str, Field(pattern=r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$")]
KeyArn = Annotated[str, Field(pattern=r"^arn:aws:kms:[a-z0-9-]+:\d{12}:key/(mrk-[0-9a-f]{32}|[0-9a-f-]{36})$")]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
PrincipalArn = Annotated[str, Field(pattern=r"^arn:aws:iam::[0-9]{12}:(user|role)/[A-Za-z0-9_+=,.@/-]+$")]
Ipv4Cidr = Annotated[str, Field(pattern=r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$")]


class AwsExisting(Spec):
    """What is brought instead of created. Nothing here changes what is brought: its own settings stay yours."""

    vpc_id: VpcId | None = None
    private_subnet_ids: tuple[SubnetId, ...] = Field((), description="of vpc_id: where workloads run, one per zone")
    public_subnet_ids: tuple[SubnetId, ...] = Field((), description="of vpc_id: for public load balancers")
    kms_key_arn: KeyArn | None = Field(
        None, description="encrypts data, logs and notices; its policy must let the region's logs service use it"
    )
    data_bucket: BucketName | None = None
    artifacts_bucket: BucketName | None = None
    checkpoints_bucket: BucketName | None = None
    cluster_name: Annotated[str, Field(pattern=r"^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$")] | None = Field(
        None, description="an EKS cluster, for runtime kubernetes"
    )

    @model_validator(mode="after")
    def _a_network_comes_with_its_subnets(self) -> Self:
        if self.vpc_id and not self.private_subnet_ids:
            raise ValueError(f"vpc_id is {self.vpc_id!r}; its subnets are needed too: private_subnet_ids: [subnet-...]")
        if not self.vpc_id and (self.private_subnet_ids or self.public_subnet_ids):
            raise ValueError("subnets are named but not their network; add vpc_id, or remove them")
        return self


class AwsAccess(Spec):
    """Who may take on the roles that people use. Empty: whoever the account's own IAM policies let."""

    approver_arns: tuple[PrincipalArn, ...] = ()
    viewer_arns: tuple[PrincipalArn, ...] = ()
    admin_arns: tuple[PrincipalArn, ...] = ()
    pipeline_arns: tuple[PrincipalArn, ...] = Field((), description="machines that submit jobs, such as a CI role")
    permissions_boundary_arn: Annotated[str, Field(pattern=r"^arn:aws:iam::([0-9]{12}|aws):policy/.+$")] | None = Field(
        None, description="a policy that bounds every role of the stack"
    )
    requires_mfa: bool = Field(
        True, description="whether people need a second factor; IAM Identity Center's sessions carry none"
    )


class AwsEndpoint(Spec):
    """How SageMaker serves. Serverless takes one release, and neither accelerators nor capture."""

    mode: Literal["realtime", "serverless"] = "realtime"
    serverless_memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] = 4096
    serverless_concurrency: int = Field(10, ge=1, le=200)
    canary_percent: int = Field(10, ge=1, le=50, description="of the new fleet that meets requests first")
    bake_s: int = Field(300, ge=0, le=3600, description="how long each step of a rollout is watched")
    is_rolled_back_on_alarm: bool = True


class AwsKubernetes(Spec):
    """The EKS cluster that runtime kubernetes makes."""

    version: Annotated[str, Field(pattern=r"^1\.\d{2}$")] = "1.33"
    public_access_cidrs: tuple[Ipv4Cidr, ...] = Field(
        (), description="who reaches the API server where network.is_api_public; needed there"
    )
    platform: PlatformSettings = Field(default_factory=PlatformSettings, description="what is put onto the cluster")


class AwsSettings(Spec):
    account_id: Annotated[str, Field(pattern=r"^\d{12}$")] | None = Field(
        None, description="12 digits in quotes; credentials of another account are refused"
    )
    existing: AwsExisting = Field(default_factory=AwsExisting)
    access: AwsAccess = Field(default_factory=AwsAccess)
    interface_endpoints: bool | None = Field(
        None, description="private ways to AWS's own APIs (ECR, SageMaker, logs, STS, KMS); default: only without NAT"
    )
    tracking_server: Literal["none", "small", "medium", "large"] = Field(
        "none", description="SageMaker's MLflow server, billed by the hour; none: lineage lies in the model group alone"
    )
    warm_pool_s: int = Field(
        0, ge=0, le=3600, description="how long an on-demand training instance waits for the next job; 0: not at all"
    )
    anomaly_usd: float = Field(50, gt=0, le=1_000_000, description="unusual spend from which on a notice is sent")
    endpoint: AwsEndpoint = Field(default_factory=AwsEndpoint)
    kubernetes: AwsKubernetes = Field(default_factory=AwsKubernetes)
