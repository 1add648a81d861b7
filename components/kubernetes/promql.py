"""Where each metric of the catalogue comes from in Prometheus: selectors, by exporter. Pure text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.kubernetes.names import serving_namespace
from ml_jobs.contract import Metric

Kind = Literal["rate", "ratio", "histogram", "gauge", "gauge_sum", "count", "appearing"]

SPEND = "skywright:spend_usd:month"
SPEND_RATE = "skywright:spend_usd_per_hour"
SPEND_RATIO = "skywright:spend_ratio"
STACK_LABEL = "skywright_stack"
"""On what the stack's own rules record."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The stack whose series are meant: its platform's namespace, the beginning of its queues' names, itself.

    `is_envoy`: whether the gateway is ours, so that it counts requests; else the servers' own counts are taken.
    """

    namespace: str
    queue_prefix: str
    stack: str
    is_envoy: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """What a value is computed from.

    rate, count: a counter (`series`); ratio: `wrong` over `series`; histogram: the name's `_bucket` and so on, in
    `scale` of a unit; gauge: any expression, all series together; gauge_sum: added up at each moment; appearing: how
    many series of an expression were not there a window before.
    """

    kind: Kind
    series: str
    wrong: str = ""
    scale: float = 1.0
    labels: frozenset[str] = frozenset()


_RELEASE = frozenset({"release"})
_QUEUE = frozenset({"cluster_queue"})
_JOB = frozenset({"job"})
_DEVICE = frozenset({"gpu", "Hostname", "namespace"})


def source_of(metric: Metric, scope: Scope, chosen: Mapping[str, str]) -> Source:
    """The source of a metric where `chosen` are the rule's labels: one release is seen by its servers only."""
    serving = serving_namespace(scope.namespace)
    teams = {"namespace=~": f"{scope.namespace}-team-.*"}
    by_server = "release" in chosen or not scope.is_envoy
    own = {key: value for key, value in chosen.items() if key in _RELEASE}
    queues = {"cluster_queue=~": f"{scope.queue_prefix}.*"}
    match metric:
        case Metric.REQUEST_RATE:
            return Source(
                "rate", server_requests(serving, own) if by_server else gateway_requests(serving), labels=_RELEASE
            )
        case Metric.ERROR_RATIO if by_server:
            wrong = server_requests(serving, {**own, "code!~": "[234].."})
            return Source("ratio", server_requests(serving, own), wrong=wrong, labels=_RELEASE)
        case Metric.ERROR_RATIO:
            return Source("ratio", gateway_requests(serving), wrong=gateway_errors(serving), labels=_RELEASE)
        case Metric.LATENCY if by_server:
            return Source(
                "histogram", selector("skywright_model_seconds", {"namespace": serving, **own}), labels=_RELEASE
            )
        case Metric.LATENCY:
            series = selector("envoy_http_downstream_rq_time", _gateway(serving))
            return Source("histogram", series, scale=1000, labels=_RELEASE)
        case Metric.REPLICAS_READY:
            name = {"deployment=~": f".*{re.escape(chosen['release'])}.*-predictor"} if "release" in chosen else {}
            return Source(
                "gauge_sum",
                selector("kube_deployment_status_replicas_ready", {"namespace": serving, **name}),
                labels=_RELEASE,
            )
        case Metric.JOB_FAILURES:
            return Source("appearing", selector("kube_job_failed", {"condition": "true", **teams}) + " == 1")
        case Metric.PREEMPTIONS:
            return Source(
                "count",
                _of("kueue_evicted_workloads_total", {**queues, "reason": "Preempted"}, chosen, _QUEUE),
                labels=_QUEUE,
            )
        case Metric.QUEUE_WAIT:
            return Source("histogram", _of("kueue_admission_wait_time_seconds", queues, chosen, _QUEUE), labels=_QUEUE)
        case Metric.STEP_TIME:
            return Source("gauge", _of("skywright_step_seconds", teams, chosen, _JOB), labels=_JOB)
        case Metric.GOODPUT:
            return Source("gauge", _of("skywright_goodput_ratio", teams, chosen, _JOB), labels=_JOB)
        case Metric.ACCELERATOR_UTILISATION:
            return Source("gauge", f"{_of('DCGM_FI_DEV_GPU_UTIL', {}, chosen, _DEVICE)} / 100", labels=_DEVICE)
        case Metric.ACCELERATOR_MEMORY:
            used, free = (_of(f"DCGM_FI_DEV_FB_{what}", {}, chosen, _DEVICE) for what in ("USED", "FREE"))
            return Source("gauge", f"{used} / ({used} + {free})", labels=_DEVICE)
        case Metric.ACCELERATOR_ERRORS:
            # The code of the last XID error: each change is one more of them.
            return Source(
                "appearing", f"changes({_of('DCGM_FI_DEV_XID_ERRORS', {}, chosen, _DEVICE)}[5m]) > 0", labels=_DEVICE
            )
        case Metric.SPEND_RATIO:
            return Source("gauge", selector(SPEND_RATIO, {STACK_LABEL: scope.stack}))


def server_requests(namespace: str, labels: Mapping[str, str]) -> str:
    """Requests that model servers answered."""
    return selector("skywright_server_requests_total", {"namespace": namespace, **labels})


def gateway_requests(namespace: str, endpoint: str | None = None) -> str:
    """Requests that came in at the gateway, whatever became of them."""
    return selector("envoy_http_downstream_rq_total", _gateway(namespace, endpoint))


def gateway_errors(namespace: str, endpoint: str | None = None) -> str:
    """Of these, those that the service is to blame for."""
    return selector("envoy_http_downstream_rq_xx", {**_gateway(namespace, endpoint), "envoy_response_code_class": "5"})


def selector(name: str, labels: Mapping[str, str]) -> str:
    """`name{...}`; a key may end in the operator: `=~`, `!~`, `!=`; default `=`."""
    matchers = []
    for key, value in sorted(labels.items()):
        label, operator = re.fullmatch(r"(\w+)(=~|!~|!=)?", key).groups()  # type: ignore[union-attr]
        matchers.append(f"{label}{operator or '='}{quoted(value)}")
    return f"{name}{{{','.join(matchers)}}}"


def quoted(text: str) -> str:
    """A string of PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def over_window(series: str, seconds: float) -> str:
    """The growth of a counter per second, over a window."""
    return f"rate({series}[{duration(seconds)}])"


def duration(seconds: float) -> str:
    """A duration of PromQL, exact to the millisecond."""
    return f"{int(seconds)}s" if float(seconds).is_integer() else f"{max(round(seconds * 1000), 1)}ms"


def _of(name: str, fixed: Mapping[str, str], chosen: Mapping[str, str], known: frozenset[str]) -> str:
    return selector(name, {**fixed, **{key: value for key, value in chosen.items() if key in known}})


def _gateway(namespace: str, endpoint: str | None = None) -> dict[str, str]:
    """Envoy Gateway labels its proxies with the Gateway that they are of; `podTargetLabels` carries that on."""
    owner = "gateway_envoyproxy_io_owning_gateway"
    return {
        "envoy_http_conn_manager_prefix=~": "https?(-.*)?",  # not the admin's and the probes' listeners
        f"{owner}_namespace": namespace,
        **({f"{owner}_name": endpoint} if endpoint else {}),
    }
