"""What a platform can be asked for, and what each cloud makes of it: one table, read by the components' refusals, by
`skywright clouds` and by the README's support matrix.

A feature knows when a spec asks for it. A cloud's `support.py` (read without its SDK) has `SUPPORT`: a word on every
feature, for its managed services; what runs on a cluster is told by `components.kubernetes.support` alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.specs import BudgetEffect, EndpointSpec, MonitoringSpec
from ml_jobs.contract import UNITS

if TYPE_CHECKING:
    from components.contract import Context

Asks = Callable[[Any, "Context"], str | None]
"""The words of the stack's file that ask for it, as in `skywright:endpoint.min_replicas is 0`; None: it does not."""


@dataclass(frozen=True, slots=True)
class Feature:
    """`kind`: the component that has it. `asks`: None for what every stack gets, asked or not."""

    key: str
    title: str
    kind: str
    asks: Asks | None = None


@dataclass(frozen=True, slots=True)
class Support:
    """A cloud's word on a feature: by what it does it (`note`), or why it can't and what to do instead."""

    note: str
    is_supported: bool = True
    remedy: str = ""


def yes(note: str) -> Support:
    """The cloud does it; `note` says by what, and what is different there."""
    return Support(note)


def no(reason: str, remedy: str) -> Support:
    """The cloud can't; `reason` continues the sentence `... is asked for; `."""
    return Support(reason, is_supported=False, remedy=remedy)


def _set(path: str, value: Callable[[Any], Any], when: Callable[[Any], bool] = bool) -> Asks:
    def asks(spec: Any, ctx: Context) -> str | None:
        found = value(spec)
        return f"skywright:{path} is {_shown(found)}" if when(found) else None

    return asks


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)


def _runtime(section: str, wanted: str) -> Asks:
    return _set(f"{section}.runtime", lambda spec: spec.runtime, lambda given: given == wanted)


def _accelerated_pool(spec: Any, ctx: Context) -> str | None:
    for name, pool in spec.pools.items():
        if pool.accelerator:
            return f"skywright:training.pools.{name}.accelerator is {pool.accelerator.kind!r}"
    return None


def _cpu_class(spec: Any, ctx: Context) -> str | None:
    for name, pool in spec.pools.items():
        if not pool.accelerator and pool.cpu_class != "general":
            return f"skywright:training.pools.{name}.cpu_class is {pool.cpu_class!r}"
    return None


def _shadowed(spec: EndpointSpec, ctx: Context) -> str | None:
    for name, release in spec.releases.items():
        if release.shadow_percent:
            return f"skywright:endpoint.releases.{name}.shadow_percent is {release.shadow_percent:g}"
    return None


def _effect(effect: BudgetEffect) -> Asks:
    def asks(spec: Any, ctx: Context) -> str | None:
        for index, step in enumerate(spec.steps):
            if step.effect is effect:
                return f"skywright:budget.steps[{index}].effect is {effect.value!r}"
        return None

    return asks


def _metric(metric: str) -> Asks:
    def asks(spec: MonitoringSpec, ctx: Context) -> str | None:
        for index, alert in enumerate(spec.alerts):
            if alert.metric.value == metric:
                return f"skywright:monitoring.alerts[{index}].metric is {metric!r}"
        return None

    return asks


def _several(spec: EndpointSpec, ctx: Context) -> str | None:
    count = len(spec.releases)
    return f"skywright:endpoint.releases has {count} entries" if count > 1 else None


FEATURES: tuple[Feature, ...] = (
    Feature("network.nat_per_zone", "NAT gateway in every zone", "Network",
            _set("network.nat", lambda spec: spec.nat, lambda nat: nat == "per_zone")),
    Feature("network.no_nat", "no way out but private endpoints", "Network",
            _set("network.nat", lambda spec: spec.nat, lambda nat: nat == "none")),
    Feature("network.public_api", "public API servers and endpoints", "Network",
            _set("network.is_api_public", lambda spec: spec.is_api_public)),
    Feature("network.flow_logs", "flow logs", "Network"),
    Feature("identity.roles", "a role each for training, serving, pipelines, approval", "Identity"),
    Feature("storage.managed_key", "encryption with a key of the stack's own", "Storage"),
    Feature("storage.checkpoint_expiry", "old checkpoints expire", "Storage"),
    Feature("registry.images", "image registry: immutable, scanned", "ModelRegistry"),
    Feature("registry.tracking", "an MLflow server", "ModelRegistry"),
    Feature("training.managed", "training by the cloud's managed service", "TrainingCluster",
            _runtime("training", "managed")),
    Feature("training.kubernetes", "training on a Kubernetes cluster", "TrainingCluster",
            _runtime("training", "kubernetes")),
    Feature("training.accelerators", "accelerators", "TrainingCluster", _accelerated_pool),
    Feature("training.cpu_classes", "CPU instances of another class", "TrainingCluster", _cpu_class),
    Feature("training.teams", "a queue and a quota for each team", "TrainingCluster",
            _set("training.teams", lambda spec: sorted(spec.teams))),
    Feature("endpoint.managed", "serving by the cloud's managed service", "ModelEndpoint",
            _runtime("endpoint", "managed")),
    Feature("endpoint.kubernetes", "serving on a Kubernetes cluster", "ModelEndpoint",
            _runtime("endpoint", "kubernetes")),
    Feature("endpoint.empty", "an endpoint that exists before its first release", "ModelEndpoint"),
    Feature("endpoint.weights", "several releases by weight", "ModelEndpoint", _several),
    Feature("endpoint.sticky", "one caller always meets the same release", "ModelEndpoint",
            _set("endpoint.routing.mode", lambda spec: spec.routing.mode, lambda mode: mode == "sticky")),
    Feature("endpoint.shadow", "shadow releases", "ModelEndpoint", _shadowed),
    Feature("endpoint.replicas", "several replicas, more under load", "ModelEndpoint",
            _set("endpoint.max_replicas", lambda spec: spec.max_replicas, lambda count: count > 1)),
    Feature("endpoint.scale_to_zero", "no replica while nobody asks", "ModelEndpoint",
            _set("endpoint.min_replicas", lambda spec: spec.min_replicas, lambda count: count == 0)),
    Feature("endpoint.accelerators", "accelerators behind the endpoint", "ModelEndpoint",
            _set("endpoint.accelerator.kind", lambda spec: spec.accelerator.kind if spec.accelerator else None)),
    Feature("endpoint.spot", "replicas on spot", "ModelEndpoint", _set("endpoint.is_spot", lambda spec: spec.is_spot)),
    Feature("endpoint.capture", "requests and answers kept for drift checks", "ModelEndpoint",
            _set("endpoint.capture_percent", lambda spec: spec.capture_percent)),
    *(Feature(f"monitoring.{metric.value}", f"alerts on {metric.value} ({unit})", "Monitoring", _metric(metric.value))
      for metric, unit in UNITS.items()),
    Feature("monitoring.slo", "alerts on a burning error budget", "Monitoring",
            _set("monitoring.slos", lambda spec: [slo.name for slo in spec.slos])),
    Feature("monitoring.emails", "alarms by e-mail", "Monitoring",
            _set("monitoring.emails", lambda spec: list(spec.emails))),
    Feature("monitoring.webhook", "alarms to a webhook", "Monitoring",
            _set("monitoring.webhook_url", lambda spec: spec.webhook_url)),
    Feature("monitoring.dashboard", "a dashboard", "Monitoring"),
    *(Feature(f"budget.{step.value}", f"budget steps that {step.value.replace('_', ' ')}", "BudgetAlarm", _effect(step))
      for step in BudgetEffect),
    Feature("budget.forecast", "a notice before the limit is forecast to be passed", "BudgetAlarm"),
)  # fmt: skip

BY_KEY: dict[str, Feature] = {feature.key: feature for feature in FEATURES}

ON_CLUSTER = ("TrainingCluster", "ModelEndpoint")
"""Components whose spec chooses between the cloud's managed service and a cluster."""


def support_of(cloud: str) -> Mapping[str, Support]:
    """The cloud's word on every feature."""
    table: Mapping[str, Support] = importlib.import_module(f"components.{cloud}.support").SUPPORT
    return table


def refusals(cloud: str, kind: str, spec: Any, ctx: Context) -> Iterator[tuple[str, str]]:
    """(reason, remedy) for each thing that the spec asks of this component and the cloud can't do."""
    table = support_of(cloud)
    on_cluster = kind in ON_CLUSTER and spec.runtime == "kubernetes" and cloud != "kubernetes"
    for feature in FEATURES:
        if feature.kind != kind or feature.asks is None:
            continue
        is_choice = feature.key.rsplit(".", 1)[1] in ("managed", "kubernetes")
        word = support_of("kubernetes")[feature.key] if on_cluster and not is_choice else table[feature.key]
        if not word.is_supported and (asked := feature.asks(spec, ctx)):
            yield f"{asked}; {word.note}", word.remedy


__all__ = ["BY_KEY", "FEATURES", "Feature", "Support", "no", "refusals", "support_of", "yes"]
