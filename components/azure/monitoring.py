"""Alerts, who is told, and a workbook."""

from __future__ import annotations

import uuid
from typing import Any

import pulumi
from pulumi_azure_native import applicationinsights, monitor

from catalog.errors import mistake
from components import contract
from components.azure import alerts, names
from components.azure.alerts import OnMetric, OnQuery, iso
from components.azure.dashboards import workbook
from components.azure.logs import LONGEST_DAYS, SHORTEST_DAYS
from components.azure.outputs import AzureEndpoint, AzureMonitoring, AzureNetwork, AzureRegistry, AzureTraining
from components.contract import Context, EndpointOutputs
from components.slo import burn_pairs
from components.specs import MonitoringSpec
from ml_jobs.contract import AlertRule, Metric

NAMESPACES = {
    "endpoint": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
    "deployments": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
}


class Monitoring(contract.Monitoring):
    """Metric alerts and log queries compiled from the rules, an action group, a workbook."""

    cloud = "azure"

    @classmethod
    def check(cls, spec: MonitoringSpec, ctx: Context) -> None:
        days = spec.log_retention_days
        if not SHORTEST_DAYS <= days <= LONGEST_DAYS:
            raise mistake(
                "skywright:monitoring.log_retention_days", days, f"on azure {SHORTEST_DAYS} to {LONGEST_DAYS}"
            )
        for index, rule in enumerate(spec.alerts):
            alerts.check(rule, f"skywright:monitoring.alerts[{index}]")

    def build(
        self,
        spec: MonitoringSpec,
        *,
        network: AzureNetwork,
        registry: AzureRegistry,
        training: AzureTraining,
        endpoint: EndpointOutputs,
        **below: Any,
    ) -> AzureMonitoring:
        told = self._told(spec, network)
        managed = endpoint if isinstance(endpoint, AzureEndpoint) else None
        here = [rule for rule in spec.alerts if not _is_on_cluster(rule, training, managed)]
        for rule in here:
            self._alert(rule, network, managed, told)
        if managed:
            for slo in spec.slos:
                for pair in burn_pairs(slo):
                    query = _burn_query(pair, managed)
                    self._query(pair[0].name, alerts.burn(pair, ""), query, network, told)
        if training.cluster is not None:
            from components.kubernetes.alerts import declare_alerts

            there = tuple(rule for rule in spec.alerts if rule not in here)
            slos = () if managed else spec.slos
            # Azure tells people; the cluster's own receivers would need a mail server.
            declare_alerts(
                self, training.cluster, spec.model_copy(update={"alerts": there, "slos": slos, "emails": ()})
            )
        title = f"{self.ctx.project} {self.ctx.stack}"
        named: pulumi.Output[str] = managed.endpoint if managed else pulumi.Output.from_input("")
        board = applicationinsights.Workbook(
            self.child_name("workbook"),
            resource_group_name=network.group,
            resource_name_=str(uuid.uuid5(uuid.NAMESPACE_URL, f"skywright/{self.ctx.project}/{self.ctx.stack}")),
            location=self.ctx.region,
            kind="shared",
            category="workbook",
            display_name=title,
            source_id=network.logs_id,
            serialized_data=pulumi.Output.all(named, network.logs_id).apply(lambda both: workbook(title, *both)),
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )
        return AzureMonitoring(
            metrics_url=network.logs_id.apply(lambda id: f"https://management.azure.com{id}"),
            dashboard_url=board.id.apply(lambda id: f"https://portal.azure.com/#resource{id}/workbook"),
            otlp_url=pulumi.Output.from_input(None),
            action_group_id=told.id,
        )

    def _told(self, spec: MonitoringSpec, network: AzureNetwork) -> monitor.ActionGroup:
        return monitor.ActionGroup(
            self.child_name("told"),
            resource_group_name=network.group,
            action_group_name=self.ctx.name(names.ACTION_GROUP, "alarms"),
            group_short_name=self.ctx.name(names.SHORT, "alarms"),
            location="Global",
            enabled=True,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(
                    name=address, email_address=address, use_common_alert_schema=True
                )
                for address in spec.emails
            ],
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )

    def _alert(
        self, rule: AlertRule, network: AzureNetwork, endpoint: AzureEndpoint | None, told: monitor.ActionGroup
    ) -> None:
        found = alerts.compiled(rule, "", self.ctx.stack)
        if isinstance(found, OnMetric):
            self._metric(rule, found, network, endpoint, told)
            return
        query: pulumi.Input[str] = found.query
        if endpoint and rule.metric in alerts.ENDPOINT_METRICS:
            query = endpoint.endpoint.apply(lambda name: _query_of(rule, name, self.ctx.stack))
        self._query(rule.name, found, query, network, told)

    def _metric(
        self,
        rule: AlertRule,
        found: OnMetric,
        network: AzureNetwork,
        endpoint: AzureEndpoint | None,
        told: monitor.ActionGroup,
    ) -> None:
        if endpoint is None:
            return
        scopes: list[pulumi.Input[str]] = [endpoint.endpoint_id]
        if found.target == "deployments":
            scopes = [
                pulumi.Output.concat(endpoint.endpoint_id, "/deployments/", name)
                for name in endpoint.deployments.values()
            ]
            if not scopes:
                return  # nothing is released, and nothing can be missing
        monitor.MetricAlert(
            self.child_name(f"alert-{rule.name}"),
            resource_group_name=network.group,
            rule_name=self.ctx.name(names.ALERT, rule.name),
            location="global",
            description=f"{rule.metric.value} of {self.ctx.project} {self.ctx.stack}",
            enabled=True,
            severity=found.severity,
            scopes=scopes,
            target_resource_type=NAMESPACES[found.target],
            target_resource_region=self.ctx.region,
            evaluation_frequency=iso(found.frequency_s),
            window_size=iso(found.window_s),
            auto_mitigate=True,
            criteria=monitor.MetricAlertMultipleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.MultipleResourceMultipleMetricCriteria",
                all_of=[
                    monitor.MetricCriteriaArgs(
                        criterion_type="StaticThresholdCriterion",
                        name=rule.name,
                        metric_name=found.metric,
                        metric_namespace=NAMESPACES[found.target],
                        operator=found.operator,
                        threshold=found.threshold,
                        time_aggregation=found.fold,
                        skip_metric_validation=True,  # a metric is known only after its first sample
                    )
                ],
            ),
            actions=[monitor.MetricAlertActionArgs(action_group_id=told.id)],
            tags=self.tags() | rule.labels,
            opts=self.child(
                delete_before_replace=True, depends_on=endpoint.released if found.target == "deployments" else None
            ),
        )

    def _query(
        self,
        name: str,
        found: OnQuery,
        query: pulumi.Input[str],
        network: AzureNetwork,
        told: monitor.ActionGroup,
    ) -> None:
        monitor.ScheduledQueryRule(
            self.child_name(f"alert-{name}"),
            resource_group_name=network.group,
            rule_name=self.ctx.name(names.ALERT, name),
            location=self.ctx.region,
            kind="LogAlert",
            display_name=f"{self.ctx.project} {self.ctx.stack} {name}",
            description=f"Alert {name} of stack {self.ctx.stack} ({self.ctx.environment})",
            enabled=True,
            severity=found.severity,
            scopes=[network.logs_id],
            evaluation_frequency=iso(found.frequency_s),
            window_size=iso(found.window_s),
            override_query_time_range=iso(found.range_s) if found.range_s else None,
            auto_mitigate=True,
            skip_query_validation=True,  # tables appear with their first row
            criteria=monitor.ScheduledQueryRuleCriteriaArgs(
                all_of=[
                    monitor.ConditionArgs(
                        query=query,
                        metric_measure_column="Value",
                        time_aggregation="Average",
                        operator=found.operator,
                        threshold=found.threshold,
                        failing_periods=monitor.ConditionFailingPeriodsArgs(
                            number_of_evaluation_periods=found.periods, min_failing_periods_to_alert=found.periods
                        ),
                    )
                ]
            ),
            actions=monitor.ActionsArgs(action_groups=[told.id]),
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )


def _burn_query(pair: tuple[AlertRule, AlertRule], endpoint: AzureEndpoint) -> pulumi.Output[str]:
    return endpoint.endpoint.apply(lambda name: alerts.burn(pair, name).query)


def _query_of(rule: AlertRule, endpoint: str, stack: str) -> str:
    found = alerts.compiled(rule, endpoint, stack)
    assert isinstance(found, OnQuery)
    return found.query


def _is_on_cluster(rule: AlertRule, training: AzureTraining, endpoint: AzureEndpoint | None) -> bool:
    if rule.metric is Metric.SPEND_RATIO or training.cluster is None:
        return False  # told by the budget's actor, whatever runs where
    return endpoint is None if rule.metric in alerts.ENDPOINT_METRICS else True
