"""Azure Monitor: who is told, alerts, autoscaling, diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, one_of, one_of_ids, within
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Kind, Ref, Rule

GROUP = Ref("azure-native:monitor:ActionGroup", by=())
LOGS = Ref("azure-native:operationalinsights:Workspace", by=())
METRIC_ALERTS = "https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-metric-alert-rule"
LOG_ALERTS = "https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule"
AUTOSCALE = "https://learn.microsoft.com/azure/azure-monitor/autoscale/autoscale-understanding-settings"
DIAGNOSTICS = "https://learn.microsoft.com/azure/azure-monitor/essentials/diagnostic-settings"
METRIC_WINDOWS = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D")
METRIC_FREQUENCIES = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H")
LOG_WINDOWS = (
    "PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D",
)  # fmt: skip
LOG_FREQUENCIES = (
    "PT1M",
    "PT5M",
    "PT10M",
    "PT15M",
    "PT30M",
    "PT45M",
    "PT1H",
    "PT2H",
    "PT3H",
    "PT4H",
    "PT5H",
    "PT6H",
    "P1D",
)
ALERT_NAME = r"[^*#&+:<>?@%{}\\/|]{0,259}[^*#&+:<>?@%{}\\/| .]"


def _periods(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, item in enumerate((inputs.get("criteria") or {}).get("allOf") or ()):
        periods = item.get("failingPeriods") or {}
        count, least = periods.get("numberOfEvaluationPeriods", 1), periods.get("minFailingPeriodsToAlert", 1)
        where = f"criteria.allOf[{index}].failingPeriods"
        if isinstance(count, int | float) and not 1 <= count <= 6:
            yield f"{where}.numberOfEvaluationPeriods", f"BadRequest: {count}: 1 to 6"
        elif isinstance(least, int | float) and least > count:
            yield f"{where}.minFailingPeriodsToAlert", f"BadRequest: {least}: at most {count}"
        if item.get("metricMeasureColumn") and item.get("timeAggregation") == "Count":
            yield f"criteria.allOf[{index}].timeAggregation", "BadRequest: Count takes no measure column"


SECONDS = {"M": 60, "H": 3600, "D": 86_400}
MULTIPLE = "Microsoft.Azure.Monitor.MultipleResourceMultipleMetricCriteria"
CRITERIA = (MULTIPLE, "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria")  # fmt: skip


def _span(text: Any) -> int | None:
    """Seconds of PT5M, PT1H, P1D."""
    if not isinstance(text, str) or text[-1:] not in SECONDS or not (digits := text[:-1].lstrip("PT")).isdigit():
        return None
    return int(digits) * SECONDS[text[-1]]


def _often(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is looked at between two looks is at least what lies between them."""
    window, every = _span(inputs.get("windowSize")), _span(inputs.get("evaluationFrequency"))
    longest = _span(inputs.get("overrideQueryTimeRange"))
    if window and every and window < every:
        yield "windowSize", f"BadRequest: windowSize {inputs['windowSize']} is shorter than evaluationFrequency"
    if longest and window and longest < window:
        yield "overrideQueryTimeRange", "BadRequest: overrideQueryTimeRange is shorter than windowSize"


def _several(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if (inputs.get("criteria") or {}).get("odataType") == MULTIPLE:
        for path in ("targetResourceType", "targetResourceRegion"):
            if inputs.get(path) is None:
                yield path, f"BadRequest: {path} must be given with criteria of several resources"


def _short(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(name := inputs.get("groupShortName"), str) and not 1 <= len(name) <= 12:
        yield "groupShortName", f"GroupShortNameTooLong: {name!r}: 1 to 12 characters"


def _capacity(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, profile in enumerate(inputs.get("profiles") or ()):
        try:
            least, default, most = (int(profile["capacity"][key]) for key in ("minimum", "default", "maximum"))
        except (KeyError, TypeError, ValueError):
            continue
        if not least <= default <= most:
            yield f"profiles[{index}].capacity", f"InvalidCapacity: {least} <= {default} <= {most} is wrong"


def _destination(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not any(inputs.get(key) for key in ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId")):
        yield "workspaceId", "BadRequest: At least one data sink needs to be specified."
    for index, log in enumerate(inputs.get("logs") or ()):
        if bool(log.get("category")) == bool(log.get("categoryGroup")):
            yield f"logs[{index}]", "BadRequest: either category or categoryGroup"


KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:monitor:ActionGroup",
        "Microsoft.Insights/actionGroups",
        "azure.mgmt.monitor.v2023_01_01.models:ActionGroupResource",
        name="actionGroupName",
        pattern=ALERT_NAME,
        checks=(Rule("https://learn.microsoft.com/azure/azure-monitor/alerts/action-groups", _short),),
    ),
    arm(
        "azure-native:monitor:MetricAlert",
        "Microsoft.Insights/metricAlerts",
        "azure.mgmt.monitor.v2018_03_01.models:MetricAlertResource",
        name="ruleName",
        pattern=ALERT_NAME,
        rules={"criteria.odataType": To("", by=lambda kind: {"odata.type": kind})},
        references={
            "actions.actionGroupId": GROUP,
            "scopes": one_of_ids("machinelearningservices:OnlineDeployment", "machinelearningservices:OnlineEndpoint"),
        },
        checks=(
            one_of("windowSize", METRIC_WINDOWS, METRIC_ALERTS),
            one_of("evaluationFrequency", METRIC_FREQUENCIES, METRIC_ALERTS),
            one_of("location", ("global",), METRIC_ALERTS),
            one_of("criteria.odataType", CRITERIA, METRIC_ALERTS),
            Rule(METRIC_ALERTS, _several),
            Rule(METRIC_ALERTS, _often),
            within("severity", 0, 4, METRIC_ALERTS),
        ),
        immutable=("scopes", "criteria.odataType"),
    ),
    arm(
        "azure-native:monitor:ScheduledQueryRule",
        "Microsoft.Insights/scheduledQueryRules",
        "azure.mgmt.monitor.v2022_08_01_preview.models:ScheduledQueryRuleResource",
        name="ruleName",
        pattern=ALERT_NAME,
        references={"scopes": LOGS, "actions.actionGroups": GROUP},
        checks=(
            one_of("windowSize", LOG_WINDOWS, LOG_ALERTS),
            one_of("evaluationFrequency", LOG_FREQUENCIES, LOG_ALERTS),
            one_of("overrideQueryTimeRange", LOG_WINDOWS, LOG_ALERTS),
            within("severity", 0, 4, LOG_ALERTS),
            Rule(LOG_ALERTS, _periods, needs=("criteria",)),
            Rule(LOG_ALERTS, _often),
        ),
        immutable=("kind",),
    ),
    arm(
        "azure-native:monitor:AutoscaleSetting",
        "Microsoft.Insights/autoscaleSettings",
        "azure.mgmt.monitor.v2022_10_01.models:AutoscaleSettingResource",
        name="autoscaleSettingName",
        pattern=ALERT_NAME,
        rules={"name": "properties.name"},
        references={
            "targetResourceUri": Ref("azure-native:machinelearningservices:OnlineDeployment", by=(), holds=True),
            "profiles.rules.metricTrigger.metricResourceUri": Ref(
                "azure-native:machinelearningservices:OnlineEndpoint", by=()
            ),
        },
        checks=(Rule(AUTOSCALE, _capacity, needs=("profiles",)),),
        immutable=("targetResourceUri",),
    ),
    arm(
        "azure-native:monitor:DiagnosticSetting",
        "Microsoft.Insights/diagnosticSettings",
        "azure.mgmt.monitor.v2021_05_01_preview.models:DiagnosticSettingsResource",
        name="name",
        pattern=ALERT_NAME,
        longest=260,
        scope="resourceUri",
        references={
            "workspaceId": LOGS,
            "resourceUri": one_of_ids(
                "storage:StorageAccount",
                "keyvault:Vault",
                "containerregistry:Registry",
                "machinelearningservices:OnlineEndpoint",
                "machinelearningservices:Workspace",
                "containerservice:ManagedCluster",
                "app:ManagedEnvironment",
            ),
        },
        checks=(Rule(DIAGNOSTICS, _destination),),
    ),
)  # fmt: skip
