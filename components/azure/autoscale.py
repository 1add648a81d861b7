"""How many replicas a deployment has, by what each of them carries."""

from __future__ import annotations

from typing import Any

from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import monitor

from components.azure import names
from components.azure.outputs import AzureNetwork
from components.contract import Component, Context
from components.specs import EndpointSpec


def declare_autoscale(
    owner: Component[Any, Any],
    spec: EndpointSpec,
    name: str,
    network: AzureNetwork,
    endpoint: ml.OnlineEndpoint,
    deployment: ml.OnlineDeployment,
) -> monitor.AutoscaleSetting:
    """More above what a replica should carry, fewer below half of it."""

    def rule(operator: str, share: float, direction: str, cooldown: str) -> monitor.ScaleRuleArgs:
        return monitor.ScaleRuleArgs(
            metric_trigger=monitor.MetricTriggerArgs(
                metric_name="RequestsPerMinute",
                metric_namespace="microsoft.machinelearningservices/workspaces/onlineendpoints",
                metric_resource_uri=endpoint.id,
                operator=monitor.ComparisonOperationType(operator),
                statistic=monitor.MetricStatisticType.AVERAGE,
                threshold=spec.requests_per_replica * 60 * share,
                time_aggregation=monitor.TimeAggregationType.AVERAGE,
                time_grain="PT1M",
                time_window="PT5M",
                divide_per_instance=True,
                dimensions=[
                    monitor.ScaleRuleMetricDimensionArgs(
                        dimension_name="deployment", operator="Equals", values=[deployment.name]
                    )
                ],
            ),
            scale_action=monitor.ScaleActionArgs(
                direction=monitor.ScaleDirection(direction),
                type=monitor.ScaleType.CHANGE_COUNT,
                value="1",
                cooldown=cooldown,
            ),
        )

    return monitor.AutoscaleSetting(
        owner.child_name(f"release-{name}-replicas"),
        resource_group_name=network.group,
        autoscale_setting_name=autoscale_name(owner.ctx, name),
        name=autoscale_name(owner.ctx, name),
        location=owner.ctx.region,
        enabled=True,
        target_resource_uri=deployment.id,
        profiles=[
            monitor.AutoscaleProfileArgs(
                name="load",
                capacity=monitor.ScaleCapacityArgs(
                    minimum=str(spec.min_replicas),
                    maximum=str(spec.max_replicas),
                    default=str(spec.min_replicas),
                ),
                rules=[
                    rule("GreaterThan", 1.0, "Increase", "PT5M"),
                    rule("LessThan", 0.5, "Decrease", "PT10M"),
                ],
            )
        ],
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )


def autoscale_name(ctx: Context, release: str) -> str:
    return ctx.name(names.ALERT, "replicas", release)
