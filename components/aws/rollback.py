"""The alarm that takes a deployment back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi_aws as aws

from components.aws import names
from components.contract import Component

PERIOD_S = 60
ERROR_SHARE = 0.05
"""A new fleet that fails more than this share of its requests goes."""


def declare_rollback_alarm(
    owner: Component[Any, Any], endpoint: str, variants: Sequence[str]
) -> aws.cloudwatch.MetricAlarm:
    """Failed requests over all requests, summed over the variants, for two minutes."""
    query = aws.cloudwatch.MetricAlarmMetricQueryArgs
    queries = []
    for number, variant in enumerate(variants):
        for letter, metric in (("e", "Invocation5XXErrors"), ("n", "Invocations")):
            queries.append(
                query(
                    id=f"{letter}{number}",
                    return_data=False,
                    metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                        namespace="AWS/SageMaker",
                        metric_name=metric,
                        dimensions={"EndpointName": endpoint, "VariantName": variant},
                        period=PERIOD_S,
                        stat="Sum",
                    ),
                )
            )
    errors = "+".join(f"FILL(e{number},0)" for number in range(len(variants)))
    requests = "+".join(f"FILL(n{number},0)" for number in range(len(variants)))
    queries.append(
        query(id="share", expression=f"IF(({requests})>0,({errors})/({requests}),0)", label="failed", return_data=True)
    )
    return aws.cloudwatch.MetricAlarm(
        owner.child_name("rollback-alarm"),
        name=owner.ctx.name(names.ALARM, "rollback"),
        alarm_description=f"A deployment of {endpoint} is taken back while this is on",
        comparison_operator="GreaterThanThreshold",
        threshold=ERROR_SHARE,
        evaluation_periods=2,
        treat_missing_data="notBreaching",
        metric_queries=queries,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
