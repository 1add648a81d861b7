"""Alarms, notices and a dashboard in CloudWatch; on EKS, what Prometheus watches there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components import contract
from components.aws import names
from components.aws.alarms import SOURCES, Alarm, Watched, compiled, refusal
from components.aws.dashboard import body
from components.aws.endpoint import AwsEndpointOutputs
from components.aws.failures import declare_failures
from components.aws.notices import declare_notices
from components.aws.outputs import AwsIdentity, AwsNetwork
from components.contract import Component, Context, EndpointOutputs, MonitoringOutputs, Unsupported
from components.kubernetes.cluster import ClusterTraining
from components.slo import burn_pairs
from components.specs import MonitoringSpec, SloSpec
from ml_jobs.contract import AlertRule, Metric


@dataclass(frozen=True)
class AwsMonitoring(MonitoringOutputs):
    """`notices_arn`: the topic that everybody who must know has subscribed to."""

    notices_arn: pulumi.Output[str]


class Monitoring(contract.Monitoring):
    """An alarm for each rule, one for the two windows of each burn, all telling one topic.

    What watches the endpoint comes with its first release, since SageMaker has no endpoint before. What runs on EKS is
    watched there, by Prometheus, from the same rules.
    """

    cloud = "aws"

    @classmethod
    def check(cls, spec: MonitoringSpec, ctx: Context) -> None:
        for index, rule in enumerate(spec.alerts):
            if found := refusal(rule):
                raise Unsupported(f"skywright:monitoring.alerts[{index}].{found[0]}", found[1])

    def build(
        self,
        spec: MonitoringSpec,
        *,
        network: AwsNetwork,
        identity: AwsIdentity,
        training: ClusterTraining,
        endpoint: EndpointOutputs,
        **below: Any,
    ) -> AwsMonitoring:
        topic = declare_notices(self, network, spec.emails)
        on_cluster = {
            "job": training.cluster is not None,
            "endpoint": not isinstance(endpoint, AwsEndpointOutputs),
            "budget": False,
        }
        here = [rule for rule in spec.alerts if not on_cluster[SOURCES[rule.metric].place]]
        there = tuple(rule for rule in spec.alerts if on_cluster[SOURCES[rule.metric].place])
        watched = self._watched(here, endpoint, network, identity)
        placed = [
            declare_alarm(self, rule.name, rule, alarm, topic)
            for rule in here
            if (alarm := compiled(rule, watched)) is not None
        ]
        slos = () if on_cluster["endpoint"] else spec.slos
        placed += [burn for slo in slos for burn in self._burns(slo, watched, topic)]
        if training.cluster is not None and (there or on_cluster["endpoint"]):
            from components.kubernetes.alerts import declare_alerts

            moved = {"alerts": there, "slos": spec.slos if on_cluster["endpoint"] else ()}
            declare_alerts(self, training.cluster, spec.model_copy(update=moved))
        region = str(self.ctx.region)
        dashboard = aws.cloudwatch.Dashboard(
            self.child_name("dashboard"),
            dashboard_name=self.ctx.name(names.DASHBOARD),
            dashboard_body=pulumi.Output.all(*(alarm.arn for alarm in placed)).apply(
                lambda arns: json.dumps(body(region, watched, arns))
            ),
            opts=self.child(delete_before_replace=True),
        )
        console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/"
        return AwsMonitoring(
            metrics_url=pulumi.Output.from_input(f"https://monitoring.{region}.amazonaws.com"),
            dashboard_url=dashboard.dashboard_name.apply(lambda name: f"{console}{name}"),
            otlp_url=pulumi.Output.from_input(None),
            notices_arn=topic.arn,
        )

    def _watched(
        self, rules: list[AlertRule], endpoint: EndpointOutputs, network: AwsNetwork, identity: AwsIdentity
    ) -> Watched:
        is_counted = any(rule.metric is Metric.JOB_FAILURES for rule in rules)
        if is_counted:
            declare_failures(self, network, identity)
        served = endpoint if isinstance(endpoint, AwsEndpointOutputs) else None
        return Watched(
            stack=self.ctx.stack,
            endpoint=served.endpoint_name if served else "",
            variants=served.variants if served else (),
            failures_rule=self.ctx.name(names.EVENT_RULE, "job-failures") if is_counted else "",
        )

    def _burns(self, slo: SloSpec, watched: Watched, topic: aws.sns.Topic) -> list[aws.cloudwatch.CompositeAlarm]:
        """The windows' own alarms tell nobody; both at once do."""
        found = []
        for pair in burn_pairs(slo):
            windows = [
                declare_alarm(self, rule.name, rule, alarm, None)
                for rule in pair
                if (alarm := compiled(rule, watched)) is not None
            ]
            if len(windows) < len(pair):
                continue
            use = pair[0].name.removesuffix("-long")
            found.append(
                aws.cloudwatch.CompositeAlarm(
                    self.child_name(use),
                    alarm_name=self.ctx.name(names.ALARM, use),
                    alarm_description=f"{slo.name}: errors burn the budget of {slo.window_days} days too fast, over "
                    f"{pair[0].window_s:g} s and over {pair[1].window_s:g} s",
                    alarm_rule=pulumi.Output.all(*(alarm.name for alarm in windows)).apply(all_ring),
                    alarm_actions=[topic.arn],
                    ok_actions=[topic.arn],
                    tags=self.tags() | {"severity": pair[0].severity},
                    opts=self.child(delete_before_replace=True),
                )
            )
        return found


def all_ring(alarm_names: list[str]) -> str:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html"""
    return " AND ".join(f'ALARM("{name}")' for name in alarm_names)


def declare_alarm(
    owner: Component[Any, Any], use: str, rule: AlertRule, alarm: Alarm, topic: aws.sns.Topic | None
) -> aws.cloudwatch.MetricAlarm:
    """The alarm of a rule. `topic`: who is told when it begins and when it ends."""
    query = aws.cloudwatch.MetricAlarmMetricQueryArgs
    is_plain = alarm.expression is None
    queries = [
        query(
            id=series.id,
            return_data=is_plain,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=series.namespace,
                metric_name=series.metric,
                dimensions=dict(series.dimensions),
                period=alarm.period_s,
                stat=series.stat,
            ),
        )
        for series in alarm.series
    ]
    if not is_plain:
        queries.append(query(id="value", expression=alarm.expression, label=rule.name, return_data=True))
    told = [topic.arn] if topic else None
    return aws.cloudwatch.MetricAlarm(
        owner.child_name(f"alarm-{use}"),
        name=owner.ctx.name(names.ALARM, use),
        alarm_description=f"{rule.aggregation} of {rule.metric.value} over {rule.window_s:g} s is {rule.comparison} "
        f"{rule.threshold:g}",
        comparison_operator=alarm.comparison,
        threshold=alarm.threshold,
        evaluation_periods=alarm.periods,
        datapoints_to_alarm=alarm.breaching,
        treat_missing_data=alarm.missing,
        metric_queries=queries,
        alarm_actions=told,
        ok_actions=told,
        tags=owner.tags() | {"severity": rule.severity},
        opts=owner.child(delete_before_replace=True),
    )
