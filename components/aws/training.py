"""Training on SageMaker's managed spot, or on EKS."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from components import contract
from components.aws import names
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsStorage
from components.aws.pools import instances_of, pools_of
from components.aws.roles import grant
from components.aws.training_policies import job, submit
from components.contract import Context, TrainingOutputs
from components.kubernetes.cluster import ClusterTraining
from components.specs import TrainingSpec
from ml_jobs.contract import Queue

LISTED_ZONES = 3
"""Of the contract's pools: SageMaker places a job in one of the stack's subnets, which lie in the first zones."""


class TrainingCluster(contract.TrainingCluster):
    """What SageMaker's training jobs need (they are submitted, not declared), or an EKS cluster with its queues."""

    cloud = "aws"

    @classmethod
    def check(cls, spec: TrainingSpec, ctx: Context) -> None:
        for pool in spec.pools.values():
            instances_of(pool, ctx.region, spec.runtime or "managed")

    def build(
        self, spec: TrainingSpec, *, network: AwsNetwork, identity: AwsIdentity, storage: AwsStorage, **below: Any
    ) -> TrainingOutputs:
        if spec.runtime == "kubernetes":
            from components.aws.on_cluster import declare_training

            return declare_training(self, spec, network=network, identity=identity, storage=storage)
        return self._managed(spec, network, identity)

    def _managed(self, spec: TrainingSpec, network: AwsNetwork, identity: AwsIdentity) -> ClusterTraining:
        region = str(self.ctx.region)
        prefix = self.ctx.name(names.SAGEMAKER_JOB)

        def jobs(account: str, subnets: list[str], group: str) -> list[dict[str, Any]]:
            home = f"arn:aws:ec2:{region}:{account}"
            return job(account, region, [f"{home}:subnet/{id}" for id in subnets], f"{home}:security-group/{group}")

        grant(
            self, "training", "jobs", identity.role_names["training"], jobs,
            network.account_id, network.private_subnet_ids, network.training_group_id,
        )  # fmt: skip
        grant(
            self, "pipeline", "jobs", identity.role_names["pipeline"],
            lambda account, training: submit(account, region, prefix, training),
            network.account_id, identity.role_arns["training"],
        )  # fmt: skip
        zones = aws.get_availability_zones_output(state="available", opts=pulumi.InvokeOutputOptions(parent=self))
        return ClusterTraining(
            cluster_ref=identity.role_arns["training"],
            pools=zones.names.apply(lambda zones: pools_of(spec, region, "managed", zones[:LISTED_ZONES])),
            queues=pulumi.Output.from_input(0).apply(lambda _: [Queue(name="default")]),
        )
