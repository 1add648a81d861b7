"""Releases of Helm charts. No chart is rendered: no registry of charts can be asked here. What is declared is held
against the charts that the components are judged with and, where a chart can be had, against the values it knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.rehearsal.core.account import Account
from infra.rehearsal.core.judge import Verdict
from infra.rehearsal.kubernetes import charts
from infra.rehearsal.kubernetes.api import Refused

TYPE = "kubernetes:helm.sh/v3:Release"
IMMUTABLE = frozenset({"name", "namespace"})
NOT_RENDERED = "no chart is rendered in a rehearsal"
OF_HELM = "helm's own: where the chart is fetched, how the release is called and where it lies"

_VERSION = re.compile(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")


@dataclass(frozen=True, slots=True)
class Chart:
    """`at`: its repository, or its whole address in an OCI registry. `groups`: of the kinds that it brings."""

    at: str
    groups: tuple[str, ...] = ()


CHARTS = {
    "cert-manager": Chart("https://charts.jetstack.io", ("cert-manager.io", "acme.cert-manager.io")),
    "kube-prometheus-stack": Chart("https://prometheus-community.github.io/helm-charts", ("monitoring.coreos.com",)),
    "kueue": Chart("oci://registry.k8s.io/kueue/charts/kueue", ("kueue.x-k8s.io",)),
    "jobset": Chart("oci://registry.k8s.io/jobset/charts/jobset", ("jobset.x-k8s.io",)),
    "gateway-helm": Chart(
        "oci://docker.io/envoyproxy/gateway-helm", ("gateway.networking.k8s.io", "gateway.envoyproxy.io")
    ),
    "keda": Chart("https://kedacore.github.io/charts", ("keda.sh", "eventing.keda.sh")),
    "kserve-crd": Chart("oci://ghcr.io/kserve/charts/kserve-crd", ("serving.kserve.io",)),
    "kserve": Chart("oci://ghcr.io/kserve/charts/kserve"),
    "opencost": Chart("https://opencost.github.io/opencost-helm-chart"),
    "gpu-operator": Chart("https://helm.ngc.nvidia.com/nvidia", ("nvidia.com",)),
    "nvidia-device-plugin": Chart("https://nvidia.github.io/k8s-device-plugin"),
    "kuberay-operator": Chart("https://ray-project.github.io/kuberay-helm", ("ray.io",)),
    "karpenter-crd": Chart("oci://public.ecr.aws/karpenter/karpenter-crd", ("karpenter.sh", "karpenter.k8s.aws")),
    "karpenter": Chart("oci://public.ecr.aws/karpenter/karpenter", ("karpenter.sh", "karpenter.k8s.aws")),
}
"""By the chart's own name."""


def named(body: Mapping[str, Any], logical: str, seed: bytes, old: Mapping[str, Any]) -> dict[str, Any]:
    """The release in a namespace and with a name, its old one where that was made up too."""
    told = {"namespace": "default", **body}
    if not told.get("name"):
        made_up = str(old.get("name") or "")
        told["name"] = made_up if made_up.startswith(f"{logical}-") else f"{logical}-{seed.hex()[:8].ljust(8, '0')}"
    return told


def refusals(body: Mapping[str, Any]) -> Iterator[str]:
    """What helm, or whoever answers for the chart, would refuse."""
    given = str(body.get("chart") or "")
    own = given.rpartition("/")[2]
    repository = str((body.get("repositoryOpts") or {}).get("repo") or "").rstrip("/")
    if (chart := CHARTS.get(own)) is None:
        yield f"chart {given!r} is not one that is known here; known: {', '.join(CHARTS)}"
    elif (at := given if given.startswith("oci://") else repository) != chart.at:
        yield f"chart {own!r} is asked of {at or 'no repository'!r}; it is published at {chart.at}"
    if given.startswith("oci://") and repository:
        yield f"chart {given!r} is in an OCI registry: repositoryOpts.repo {repository!r} is not for it"
    if not _VERSION.fullmatch(str(body.get("version") or "")):
        yield f"version of chart {own!r} is {body.get('version')!r}; allowed: an exact version such as 1.2.3"
    if charts.is_known(own, str(body.get("version"))):
        yield from charts.unknown(own, body.get("values") or {})
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?", str(body.get("name"))):
        yield f"release name {body.get('name')!r}: allowed are at most 53 of a-z, 0-9 and -, not first or last"


def need_first(account: Account, cluster: str, body: Mapping[str, Any]) -> None:
    """Raises Refused where an object was applied before the chart that brings its kind."""
    chart = CHARTS.get(str(body["chart"]).rpartition("/")[2])
    if chart is None or not chart.groups:
        return
    for each in account.objects():
        group = str(each.inputs.get("apiVersion") or "").rpartition("/")[0]
        if each.scope == cluster and group in chart.groups and each.outputs.get("had_operator") is False:
            raise Refused(
                f'no matches for kind "{each.inputs.get("kind")}": {each.name} came before the chart that brings it '
                f"({body['chart']}); let it depend on this release",
                404,
                [],
            )


def has_operator(account: Account, cluster: str, group: str) -> bool:
    """Whether a chart that brings kinds of `group` is there."""
    return any(
        each.scope == cluster
        and group in CHARTS.get(str(each.inputs.get("chart")).rpartition("/")[2], Chart("")).groups
        for each in account.objects(TYPE)
    )


def outputs(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the release tells once it is there."""
    return {
        "status": {
            "status": "deployed",
            "name": body["name"],
            "namespace": body["namespace"],
            "chart": str(body["chart"]).rpartition("/")[2],
            "version": str(body.get("version")),
            "revision": 1,
        }
    }


def id_of(body: Mapping[str, Any]) -> str:
    return f"{body['namespace']}/{body['name']}"


def verdict(body: Mapping[str, Any], declared: frozenset[str]) -> Verdict:
    """Of a chart whose values are known, the chart judged them; of any other, the table alone judged the rest."""
    own, version = str(body["chart"]).rpartition("/")[2], str(body.get("version"))
    if not charts.is_known(own, version):
        return Verdict("", (), frozenset(), dict.fromkeys(declared, NOT_RENDERED))
    carried = frozenset(path for path in declared if path.split(".")[0] in ("chart", "version", "values"))
    return Verdict(f"chart {own} {version}", (), carried, dict.fromkeys(declared - carried, OF_HELM))
