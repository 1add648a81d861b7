"""What a rehearsed cluster is made of, in exact versions: the only place that names them."""

from __future__ import annotations

from dataclasses import dataclass

KUBERNETES = "1.36.0"
ETCD = "3.6.4"
OLDEST_KUBERNETES = (1, 34)
"""A kube-apiserver that the user brought is taken from this version on: older ones lack what the components declare."""
OLDEST_ETCD = (3, 6)
"""Watches of newer API servers stall on an older one for up to half a minute."""

ENVTEST_URL = (
    "https://github.com/kubernetes-sigs/controller-tools/releases/download/"
    "envtest-v{version}/envtest-v{version}-{system}-{machine}.tar.gz"
)
"""The archive that controller tests of the Kubernetes project use: etcd and kube-apiserver."""


@dataclass(frozen=True, slots=True)
class Binary:
    """One program of a cluster. `needs_staging`: its module's own parts are named v0.0.0 and must be given versions."""

    name: str
    module: str
    version: str
    package: str
    says: str | None
    """What finds the version in its answer to --version; None where it has no such answer."""
    go: tuple[int, int]
    disk_gib: float
    packages: int
    is_in_envtest: bool = False
    ldflags: str = "-s -w"
    needs_staging: bool = False


def _of_kubernetes(name: str, packages: int, *, is_in_envtest: bool = False) -> Binary:
    version = "-X k8s.io/component-base/version.gitVersion=v" + KUBERNETES
    return Binary(
        name,
        "k8s.io/kubernetes",
        KUBERNETES,
        f"k8s.io/kubernetes/cmd/{name}",
        r"Kubernetes v(\S+)",
        (1, 26),
        5.0,
        packages,
        is_in_envtest,
        f"-s -w {version}",
        needs_staging=True,
    )


SERVER = (
    Binary(
        "etcd",
        "go.etcd.io/etcd/server/v3",
        ETCD,
        "go.etcd.io/etcd/server/v3",
        r"etcd Version: (\S+)",
        (1, 25),
        1.5,
        560,
        is_in_envtest=True,
    ),
    _of_kubernetes("kube-apiserver", 1_900, is_in_envtest=True),
)
"""Enough to judge what is declared."""

CLUSTER = (
    Binary("jobset", "sigs.k8s.io/jobset", "0.10.1", "sigs.k8s.io/jobset", None, (1, 25), 2.0, 900),
    Binary("kwok", "sigs.k8s.io/kwok", "0.8.0", "sigs.k8s.io/kwok/cmd/kwok", r"v(\d\S+)", (1, 26), 2.0, 1_000),
    Binary("kueue", "sigs.k8s.io/kueue", "0.14.0", "sigs.k8s.io/kueue/cmd/kueue", None, (1, 25), 4.0, 1_400),
    _of_kubernetes("kube-controller-manager", 1_900),
    _of_kubernetes("kube-scheduler", 1_400),
)
"""What makes workloads queue, start and end."""

CRDS = {
    "kueue": ("sigs.k8s.io/kueue", "v0.14.0", "config/components/crd/bases"),
    "jobset": ("sigs.k8s.io/jobset", "v0.10.1", "config/components/crd/bases"),
    "kserve": ("github.com/kserve/kserve", "v0.15.2", "config/crd/full"),
    "prometheus-operator": (
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "example/prometheus-operator-crd",
    ),
    "kuberay": ("github.com/ray-project/kuberay/ray-operator", "v1.4.2", "config/crd/bases"),
    "karpenter": ("github.com/aws/karpenter-provider-aws", "v1.15.0", "pkg/apis/crds"),
    "cert-manager": ("github.com/cert-manager/cert-manager", "v1.21.2", "deploy/crds"),
    "gateway-api": ("sigs.k8s.io/gateway-api", "v1.3.0", "config/crd/standard"),
    "keda": ("github.com/kedacore/keda/v2", "v2.17.2", "config/crd/bases"),
}
"""Operator -> the module, version and folder that its custom resource definitions come from."""

CHARTS = {
    "cert-manager": ("github.com/cert-manager/cert-manager", "v1.21.2", "deploy/charts/cert-manager"),
    "jobset": ("sigs.k8s.io/jobset", "v0.10.1", "charts/jobset"),
    "karpenter": ("github.com/aws/karpenter-provider-aws", "v1.15.0", "charts/karpenter"),
    "karpenter-crd": ("github.com/aws/karpenter-provider-aws", "v1.15.0", "charts/karpenter-crd"),
    "kserve": ("github.com/kserve/kserve", "v0.15.2", "charts/kserve-resources"),
    "kserve-crd": ("github.com/kserve/kserve", "v0.15.2", "charts/kserve-crd"),
    "kueue": ("sigs.k8s.io/kueue", "v0.14.0", "charts/kueue"),
}
"""Chart -> the module, version and folder that its values come from."""
