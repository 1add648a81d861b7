"""The month's budget, and the function that acts on its notices."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_gcp as gcp

import ml_jobs.contract
from catalog.labels import gcp_labels
from components import contract
from components.contract import BudgetOutputs, EndpointOutputs
from components.gcp import alerts, names
from components.gcp.grants import Grant, condition_of, declare_role, grant_in_project
from components.gcp.monitoring import scope_of
from components.gcp.outputs import GcpEndpoint, GcpIdentity, GcpNetwork, GcpStorage, GcpTraining
from components.gcp.provider import gcp_settings, labels_of, region_of
from components.gcp.services import after, declare_services
from components.specs import BudgetSpec
from ml_jobs.contract import Metric

SERVICES = ("billingbudgets", "cloudbuild", "cloudfunctions", "eventarc", "pubsub", "run")
FILES = ("__init__.py", "budget/__init__.py", "budget/ladder.py", "budget/actor.py", "budget/gcp.py")
"""Of ml_jobs: all that the function imports beside the standard library."""
ENTRY = '"""What the function starts."""\n\nfrom ml_jobs.budget.gcp import handle\n\n__all__ = ["handle"]\n'
REQUIREMENTS = "functions-framework==3.*\n"
RUNTIME = "python312"
STATE = "skywright/budget/state.json"
BUILDER = "roles/cloudbuild.builds.builder"

JOBS = ("aiplatform.customJobs.cancel", "aiplatform.customJobs.get", "aiplatform.customJobs.list")
ENDPOINTS = ("aiplatform.endpoints.deploy", "aiplatform.endpoints.get", "aiplatform.endpoints.update")
HOLD_ACCOUNT = ("iam.serviceAccounts.disable", "iam.serviceAccounts.enable", "iam.serviceAccounts.get")


class BudgetAlarm(contract.BudgetAlarm):
    """Notices at every step and before the limit is forecast to be passed, to a topic; a function takes each and acts.

    The budget counts what bears the stack's label, and only notifies. It is paid for by the billing account that pays
    for the project, unless the settings name another.
    """

    cloud = "gcp"

    def build(
        self,
        spec: BudgetSpec,
        *,
        network: GcpNetwork,
        identity: GcpIdentity,
        storage: GcpStorage,
        training: GcpTraining,
        endpoint: EndpointOutputs,
        **below: Any,
    ) -> BudgetOutputs:
        enabled = declare_services(self, network.project_id, SERVICES)
        topic = gcp.pubsub.Topic(
            self.child_name("notices"),
            project=network.project_id,
            name=self.ctx.name(names.TOPIC, "budget"),
            kms_key_name=storage.key_ref,
            message_storage_policy=gcp.pubsub.TopicMessageStoragePolicyArgs(
                allowed_persistence_regions=[region_of(self.ctx)]
            ),
            labels=labels_of(self),
            opts=after(self, enabled, "pubsub", depends_on=[storage.agents["pubsub"]], delete_before_replace=True),
        )
        # Cloud Billing, whoever the account is, publishes as this one:
        # https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications#manage-notifications
        gcp.pubsub.TopicIAMMember(
            self.child_name("notices-by-billing"),
            project=network.project_id,
            topic=topic.name,
            role="roles/pubsub.publisher",
            member="serviceAccount:billing-budget-alert@system.gserviceaccount.com",
            opts=self.child(),
        )
        self._budget(spec, network, enabled, topic)
        self._actor(spec, network, identity, storage, endpoint, enabled, topic)
        if training.cluster is not None:
            from components.kubernetes.costs import declare_budget

            # The function reaches no private cluster: there the same ladder climbs by what its nodes cost.
            declare_budget(self, training.cluster, spec)
        return BudgetOutputs(state_url=storage.artifacts_url.apply(lambda url: f"{url}/{STATE}"))

    def _budget(
        self, spec: BudgetSpec, network: GcpNetwork, enabled: dict[str, gcp.projects.Service], topic: gcp.pubsub.Topic
    ) -> None:
        stack = gcp_labels({"stack": self.ctx.stack})
        gcp.billing.Budget(
            self.child_name("month"),
            billing_account=gcp_settings(self.ctx).billing_account or network.billing_account,
            display_name=self.ctx.name(names.DISPLAY, "month"),
            amount=gcp.billing.BudgetAmountArgs(
                specified_amount=gcp.billing.BudgetAmountSpecifiedAmountArgs(
                    currency_code="USD",
                    units=str(int(spec.monthly_limit_usd)),
                    nanos=round(spec.monthly_limit_usd % 1 * 10**9) or None,
                )
            ),
            budget_filter=gcp.billing.BudgetBudgetFilterArgs(
                projects=[network.project_number.apply(lambda number: f"projects/{number}")],
                labels=stack,
                calendar_period="MONTH",
                credit_types_treatment="INCLUDE_ALL_CREDITS",
            ),
            threshold_rules=[
                gcp.billing.BudgetThresholdRuleArgs(threshold_percent=percent, spend_basis=basis)
                for percent, basis in thresholds(spec)
            ],
            all_updates_rule=gcp.billing.BudgetAllUpdatesRuleArgs(
                pubsub_topic=topic.id, schema_version="1.0", disable_default_iam_recipients=False
            ),
            opts=after(self, enabled, "billingbudgets"),
        )

    def _actor(
        self,
        spec: BudgetSpec,
        network: GcpNetwork,
        identity: GcpIdentity,
        storage: GcpStorage,
        endpoint: EndpointOutputs,
        enabled: dict[str, gcp.projects.Service],
        topic: gcp.pubsub.Topic,
    ) -> None:
        acts, builds = self._account("actor", network), self._account("build", network)
        grants: list[pulumi.Resource] = self._grants(network, identity, storage, acts)
        built = grant_in_project(self, "build", "builds", network.project_id, BUILDER, builds.member)
        source = gcp.storage.BucketObject(
            self.child_name("source"),
            bucket=storage.bucket_names["artifacts"],
            name=f"skywright/budget/source-{source_digest()}.zip",
            source=source_archive(),
            kms_key_name=storage.key_ref,
            opts=self.child(),
        )
        function = gcp.cloudfunctionsv2.Function(
            self.child_name("actor"),
            project=network.project_id,
            location=region_of(self.ctx),
            name=self.ctx.name(names.FUNCTION, "budget"),
            description=f"Carries out the budget of {self.ctx.project} {self.ctx.stack}",
            build_config=gcp.cloudfunctionsv2.FunctionBuildConfigArgs(
                runtime=RUNTIME,
                entry_point="handle",
                service_account=builds.name,
                source=gcp.cloudfunctionsv2.FunctionBuildConfigSourceArgs(
                    storage_source=gcp.cloudfunctionsv2.FunctionBuildConfigSourceStorageSourceArgs(
                        bucket=storage.bucket_names["artifacts"], object=source.name
                    )
                ),
            ),
            service_config=gcp.cloudfunctionsv2.FunctionServiceConfigArgs(
                service_account_email=acts.email,
                environment_variables=self._environment(spec, network, identity, storage, endpoint),
                ingress_settings="ALLOW_INTERNAL_ONLY",
                all_traffic_on_latest_revision=True,
                # One look at a time: two would read the same state.
                max_instance_count=1,
                max_instance_request_concurrency=1,
                available_memory="256M",
                available_cpu="1",
                timeout_seconds=300,
            ),
            event_trigger=gcp.cloudfunctionsv2.FunctionEventTriggerArgs(
                event_type="google.cloud.pubsub.topic.v1.messagePublished",
                pubsub_topic=topic.id,
                trigger_region=region_of(self.ctx),
                retry_policy="RETRY_POLICY_RETRY",
                service_account_email=acts.email,
            ),
            labels=labels_of(self),
            opts=after(
                self,
                enabled,
                "cloudbuild",
                "cloudfunctions",
                "eventarc",
                "run",
                depends_on=[*grants, built],
                delete_before_replace=True,
            ),
        )
        gcp.cloudrunv2.ServiceIamMember(
            self.child_name("actor-is-called"),
            project=network.project_id,
            location=region_of(self.ctx),
            name=function.name,
            role="roles/run.invoker",
            member=acts.member,
            opts=self.child(),
        )

    def _account(self, use: str, network: GcpNetwork) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            self.child_name(f"{use}-account"),
            project=network.project_id,
            account_id=self.ctx.name(names.SERVICE_ACCOUNT, "budget", use),
            display_name=f"{self.ctx.project} {self.ctx.stack} budget {use}"[:100],
            description="The budget's function" if use == "actor" else "Builds the budget's function",
            opts=after(self, network.services, "iam", delete_before_replace=True),
        )

    def _grants(
        self, network: GcpNetwork, identity: GcpIdentity, storage: GcpStorage, acts: gcp.serviceaccount.Account
    ) -> list[pulumi.Resource]:
        """What the function may do: see and cancel jobs, resize endpoints, disable the one account, keep its state."""
        project = network.project_id
        vertex = declare_role(self, "budget-vertex", project, "Carry out the budget", [*JOBS, *ENDPOINTS])
        hold = declare_role(self, "budget-hold", project, "Disable an account", HOLD_ACCOUNT)
        state = Grant("actor", "artifacts", "roles/storage.objectUser", only=("skywright/budget",))
        return [
            grant_in_project(self, "actor", "vertex", project, vertex.name, acts.member),
            grant_in_project(self, "actor", "metrics", project, "roles/monitoring.metricWriter", acts.member),
            grant_in_project(self, "actor", "logs", project, "roles/logging.logWriter", acts.member),
            grant_in_project(self, "actor", "events", project, "roles/eventarc.eventReceiver", acts.member),
            gcp.serviceaccount.IAMMember(
                self.child_name("actor-holds-pipeline"),
                service_account_id=identity.account_names["pipeline"],
                role=hold.name,
                member=acts.member,
                opts=self.child(),
            ),
            gcp.storage.BucketIAMMember(
                self.child_name("actor-state"),
                bucket=storage.bucket_names["artifacts"],
                role=state.role,
                member=acts.member,
                condition=gcp.storage.BucketIAMMemberConditionArgs(
                    title="budget-folder",
                    expression=storage.bucket_names["artifacts"].apply(lambda name: condition_of(state, name) or ""),
                ),
                opts=self.child(),
            ),
        ]

    def _environment(
        self,
        spec: BudgetSpec,
        network: GcpNetwork,
        identity: GcpIdentity,
        storage: GcpStorage,
        endpoint: EndpointOutputs,
    ) -> dict[str, pulumi.Input[str]]:
        """As ml_jobs.budget.gcp reads it."""
        region = region_of(self.ctx)
        number = endpoint.endpoint_id if isinstance(endpoint, GcpEndpoint) else None
        replicas = endpoint.replicas if isinstance(endpoint, GcpEndpoint) else (1, 1)
        return {
            "SKYWRIGHT_STACK": gcp_labels({"stack": self.ctx.stack})["stack"],
            "SKYWRIGHT_PROJECT": network.project_id,
            "SKYWRIGHT_REGION": region,
            "SKYWRIGHT_LIMIT_USD": repr(float(spec.monthly_limit_usd)),
            "SKYWRIGHT_STEPS": json.dumps([step.model_dump(mode="json") for step in spec.steps]),
            "SKYWRIGHT_STATE": storage.bucket_names["artifacts"].apply(lambda bucket: f"{bucket}/{STATE}"),
            "SKYWRIGHT_PIPELINE": identity.pipeline_ref,
            "SKYWRIGHT_ENDPOINT": network.project_id.apply(
                lambda project: f"projects/{project}/locations/{region}/endpoints/{number}" if number else ""
            ),
            "SKYWRIGHT_REPLICAS": json.dumps({"min": replicas[0], "max": replicas[1]}),
            "SKYWRIGHT_SPEND_METRIC": alerts.type_of(Metric.SPEND_RATIO, scope_of(self.ctx, number or "")),
        }


def thresholds(spec: BudgetSpec) -> list[tuple[float, str]]:
    """(share of the limit, basis) of every notice: each step as spent, and the whole as forecast."""
    return [*((step.percent / 100, "CURRENT_SPEND") for step in spec.steps), (1.0, "FORECASTED_SPEND")]


def source_archive() -> pulumi.AssetArchive:
    home = Path(ml_jobs.contract.__file__).parent
    return pulumi.AssetArchive(
        {
            "main.py": pulumi.StringAsset(ENTRY),
            "requirements.txt": pulumi.StringAsset(REQUIREMENTS),
            **{f"ml_jobs/{name}": pulumi.FileAsset(str(home / name)) for name in FILES},
        }
    )


def source_digest() -> str:
    """Of what the archive holds: another source is another object, so that the function is built anew."""
    home = Path(ml_jobs.contract.__file__).parent
    seen = hashlib.sha256((ENTRY + REQUIREMENTS).encode())
    for name in FILES:
        seen.update((home / name).read_bytes())
    return seen.hexdigest()[:12]
