"""Alert policies, channels, metric descriptors, dashboards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.core.fit import Local, To
from infra.rehearsal.core.kinds import ALL, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.core.values import UNKNOWN, at
from infra.rehearsal.gcp.requests import named, operation

CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
DESCRIPTOR = "gcp:monitoring/metricDescriptor:MetricDescriptor"
POLICIES = "https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies"


def _whole_minutes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in ("conditionThreshold", "conditionAbsent"):
        for what in ("duration", "aggregations.alignmentPeriod"):
            path = f"conditions.{part}.{what}"
            for value in at(inputs, path):
                if value is not UNKNOWN and (not re.fullmatch(r"\d+s", str(value)) or int(str(value)[:-1]) % 60):
                    yield path, f"googleapi: Error 400: {path} had an invalid value of '{value}': must be whole minutes"


def _comparison(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for value in at(inputs, "conditions.conditionThreshold.comparison"):
        if value not in ("COMPARISON_GT", "COMPARISON_LT", UNKNOWN):
            yield (
                "conditions",
                f"googleapi: Error 400: comparison {value} is not supported: COMPARISON_GT, COMPARISON_LT",
            )


def _filters(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in ("conditionThreshold", "conditionAbsent"):
        for value in at(inputs, f"conditions.{part}.filter"):
            if isinstance(value, str) and not ("metric.type=" in value and "resource.type=" in value):
                yield (
                    f"conditions.{part}.filter",
                    "googleapi: Error 400: must specify a restriction on metric.type and resource.type",
                )


def _labels(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = {"email": {"email_address"}, "webhook_tokenauth": {"url"}, "webhook_basicauth": {"url", "username"}}
    kind, given = str(inputs.get("type")), set(inputs.get("labels") or {})
    if kind in wanted and given != wanted[kind]:
        yield "labels", f"googleapi: Error 400: a channel of type {kind} takes labels {', '.join(sorted(wanted[kind]))}"


KINDS: tuple[Kind, ...] = (
    Kind(
        "gcp:monitoring/alertPolicy:AlertPolicy",
        judge=Calls(
            "discovery monitoring.v3",
            operation("monitoring.v3", "projects.alertPolicies.create", fixed={"name": "projects/{project}"}),
        ),
        id="projects/{project}/alertPolicies/{digits:18}",
        outputs={"name": "{id}"},
        references={"notificationChannels": Ref(CHANNEL, by=("name",), holds=True)},
        rules=(Rule(POLICIES, _whole_minutes), Rule(POLICIES, _comparison), Rule(POLICIES, _filters)),
        immutable=frozenset({"project"}),
    ),
    Kind(
        CHANNEL,
        judge=Calls(
            "discovery monitoring.v3",
            operation(
                "monitoring.v3",
                "projects.notificationChannels.create",
                {"sensitiveLabels": Local("goes into the labels, under another name there: password")},
                fixed={"name": "projects/{project}"},
            ),
            local={"forceDelete": "the provider's own: whether it takes the channel out of policies first"},
        ),
        id="projects/{project}/notificationChannels/{digits:18}",
        outputs={"name": "{id}", "verificationStatus": ""},
        rules=(Rule("https://cloud.google.com/monitoring/support/notification-options", _labels, needs=("type",)),),
        immutable=frozenset({"project"}),
    ),
    Kind(
        DESCRIPTOR,
        judge=Calls(
            "discovery monitoring.v3",
            operation("monitoring.v3", "projects.metricDescriptors.create", fixed={"name": "projects/{project}"}),
        ),
        id="projects/{project}/metricDescriptors/{type}",
        outputs={"name": "{id}"},
        unique=(Unique(("type",), "googleapi: Error 409: {type} already exists", "account"),),
        rules=(named("type", r"(custom|external|workload)\.googleapis\.com/[A-Za-z0-9_/-]+", POLICIES),),
        immutable=ALL,
    ),
    Kind(
        "gcp:monitoring/dashboard:Dashboard",
        judge=Calls(
            "discovery monitoring.v1",
            operation(
                "monitoring.v1",
                "projects.dashboards.create",
                {"dashboardJson": To("", json.loads)},
                fixed={"parent": "projects/{project}"},
            ),
        ),
        id="projects/{number}/dashboards/{uuid}",
        immutable=frozenset({"project"}),
    ),
)
