"""What of a declaration the server stored, and what drifted from it: by the server's own account of fields."""

from __future__ import annotations

from typing import Any

import pytest

from infra.rehearsal.kubernetes import objects

MANAGER = "pulumi-kubernetes"
FIELDS = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:ports": {
            'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}},
            'k:{"port":81,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:protocol": {}},
        },
        "f:finalizers": {'v:"kept"': {}},
        "f:args": {},
    },
}
STORED = {
    "metadata": {
        "managedFields": [
            {"manager": MANAGER, "fieldsV1": FIELDS},
            {"manager": "kubectl-edit", "fieldsV1": {"f:spec": {"f:paused": {}}}},
            {"manager": MANAGER, "subresource": "status", "fieldsV1": {"f:status": {"f:ready": {}}}},
        ]
    }
}


@pytest.mark.parametrize(
    ("declared", "missing"),
    [
        ({"metadata": {"name": "a", "namespace": "b", "labels": {"app": "x"}}}, set()),
        ({"metadata": {"labels": {"app": "x", "team": "y"}}}, {"metadata.labels.team"}),
        ({"spec": {"replicas": 1, "args": ["a", {"b": 1}]}}, set()),
        ({"spec": {"paused": True}}, {"spec.paused"}),
        ({"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81, "protocol": "UDP"}]}}, set()),
        ({"spec": {"ports": [{"port": 81, "protocol": "UDP", "name": "dns"}]}}, {"spec.ports.name"}),
        ({"spec": {"ports": [{"port": 82}]}}, {"spec.ports.port"}),
        ({"spec": {"finalizers": ["kept", "lost"]}}, {"spec.finalizers"}),
        ({"status": {"ready": True}}, {"status.ready"}),
    ],
)
def test_what_the_server_does_not_count_as_ours_was_not_stored(declared: dict[str, Any], missing: set[str]) -> None:
    assert objects.unstored(declared, STORED, MANAGER) == missing


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({"cpu": "1", "gpu": 2}, {"cpu": "1", "gpu": 2}, {"cpu": "1000m", "gpu": 2}),
        ({"cpu": "1", "gpu": 3}, {"cpu": "1", "gpu": 2}, {"cpu": "1000m", "gpu": 3}),
        ({"cpu": "1"}, {"cpu": "1", "gpu": 2}, {"cpu": "1000m"}),
        ({"cpu": "1", "gpu": 2, "more": 1}, {"cpu": "1", "gpu": 2, "more": 2}, {"cpu": "1000m", "gpu": 2}),
    ],
)
def test_only_what_an_apply_would_change_has_drifted(live: Any, wanted: Any, expected: Any) -> None:
    assert objects.drifted({"cpu": "1000m", "gpu": 2}, live, wanted) == expected


def test_lists_drift_item_by_item_while_they_are_as_long() -> None:
    declared = [{"cpu": "1000m"}, {"cpu": "2"}]
    assert objects.drifted(declared, [{"cpu": "1"}, {"cpu": "3"}], [{"cpu": "1"}, {"cpu": "2"}]) == [
        {"cpu": "1000m"},
        {"cpu": "3"},
    ]
    assert objects.drifted(declared, [{"cpu": "1"}], [{"cpu": "1"}, {"cpu": "2"}]) == [{"cpu": "1"}]


@pytest.mark.parametrize(
    ("token", "id", "expected"),
    [
        ("kubernetes:core/v1:ConfigMap", "team/settings", objects.Ref("v1", "ConfigMap", "team", "settings")),
        ("kubernetes:core/v1:Namespace", "team", objects.Ref("v1", "Namespace", "", "team")),
        ("kubernetes:apps/v1:Deployment", "a/b", objects.Ref("apps/v1", "Deployment", "a", "b")),
        (
            "kubernetes:rbac.authorization.k8s.io/v1:Role",
            "a/b",
            objects.Ref("rbac.authorization.k8s.io/v1", "Role", "a", "b"),
        ),
        (
            "kubernetes:kueue.x-k8s.io/v1beta1:ClusterQueue",
            "all",
            objects.Ref("kueue.x-k8s.io/v1beta1", "ClusterQueue", "", "all"),
        ),
    ],
)
def test_an_import_names_the_object_of_its_type(token: str, id: str, expected: objects.Ref) -> None:
    assert objects.imported(token, id) == expected
