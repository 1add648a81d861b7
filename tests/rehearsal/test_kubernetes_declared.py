"""What the components declare on a cluster, before a real API server with the operators' kinds (tier: accepted)."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from declared_objects import bodies

from infra.rehearsal.kubernetes import objects, serve
from infra.rehearsal.kubernetes.api import Api, Refused
from infra.rehearsal.kubernetes.client import connect
from infra.rehearsal.kubernetes.server import Server
from infra.settings import load
from infra.settings.read import raw_config
from ml_jobs.budget import kubernetes as actor
from tests.graph.harness import STACKS, Graph, declare

SHA = "ab" * 32
ACCOUNT = "system:serviceaccount:skywright"


def released(version: int, weight: float, shadow: float = 0) -> dict[str, Any]:
    return {
        "model": "digits", "version": version, "artifact_url": "s3://a/m", "artifact_sha256": SHA,
        "image_digest": f"sha256:{SHA}", "weight_percent": weight, "shadow_percent": shadow,
    }  # fmt: skip


RELEASES = {"v1": released(1, 90), "v2": released(2, 10), "v3": released(3, 0, shadow=2.5)}


def with_releases(stack: str) -> Graph:
    """An example stack with two releases by weight and a shadow."""
    config = dict(raw_config(STACKS / f"Pulumi.{stack}.yaml")[0])
    endpoint = config.get("skywright:endpoint") or {}
    endpoint = json.loads(endpoint) if isinstance(endpoint, str) else dict(endpoint)
    config["skywright:endpoint"] = {**endpoint, "releases": RELEASES}
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return declare(load(plain, stack=stack), secrets={"webhookToken": "token"})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve.cluster(tmp_path_factory.mktemp("cluster") / "server") as server:
        yield server


@pytest.fixture(scope="module")
def dev(running: Server) -> list[dict[str, Any]]:
    """The objects of kubernetes-dev, all of them applied."""
    api = Api(connect(running))
    found = bodies(with_releases("kubernetes-dev"))
    for body in found:
        api.apply(body, objects.ref(body), is_forced=True)
    return found


def test_every_object_of_the_examples_is_accepted(running: Server, dev: list[dict[str, Any]]) -> None:
    api = Api(connect(running))
    prod = bodies(with_releases("kubernetes-prod"))
    for body in prod:
        api.apply(body, objects.ref(body), is_forced=True)
    kinds = {body["kind"] for body in (*dev, *prod)}
    assert {
        "AlertmanagerConfig", "ClusterQueue", "CronJob", "Gateway", "HTTPRoute", "InferenceService", "LocalQueue",
        "NetworkPolicy", "PodMonitor", "PrometheusRule", "ResourceFlavor", "ScaledObject", "WorkloadPriorityClass",
    } <= kinds  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("InferenceService", ("spec", "predictor"), {"minReplica": 1}),
        ("HTTPRoute", ("spec",), {"rules": [{"backendRefs": [{"name": "a", "port": 80, "weight": -1}]}]}),
        ("ClusterQueue", ("spec",), {"queueingStrategy": "Fastest"}),
        ("ScaledObject", ("spec",), {"minReplicas": 1}),
        ("PrometheusRule", ("spec",), {"groups": [{"name": "a", "rules": [{"alert": "a"}]}]}),
        ("NetworkPolicy", ("spec",), {"policyTypes": ["Inbound"]}),
        ("Deployment", ("spec", "template", "spec"), {"containers": []}),
    ],
)
def test_a_wrong_field_of_each_kind_is_refused(
    running: Server, dev: list[dict[str, Any]], kind: str, path: tuple[str, ...], wrong: dict[str, Any]
) -> None:
    body = json.loads(json.dumps(next(item for item in dev if item["kind"] == kind)))
    spot = body
    for part in path:
        spot = spot[part]
    spot.update(wrong)
    with pytest.raises(Refused):
        Api(connect(running)).apply(body, objects.ref(body), is_forced=True, is_dry=True)


def may(
    running: Server, who: str, verb: str, resource: str, namespace: str = "", name: str = "", group: str = ""
) -> bool:
    """Whether the API server would let `who` do it: its own answer."""
    client = connect(running)
    review = client.resources.get(api_version="authorization.k8s.io/v1", kind="SubjectAccessReview")
    is_account = who.startswith("system:serviceaccount:")
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            **({"user": who} if is_account else {"user": "somebody", "groups": [who]}),
            "resourceAttributes": {
                "verb": verb, "resource": resource, "namespace": namespace, "name": name, "group": group,
            },
        },
    }  # fmt: skip
    return bool(client.create(review, body=asked).status.allowed)


TEAM, SERVING = "skywright-team-default", "skywright-serving"
QUEUE = "skywright-kubernetes-dev-default-spot"


@pytest.mark.parametrize(
    ("who", "verb", "resource", "group", "namespace", "name", "is_allowed"),
    [
        (f"{ACCOUNT}:pipeline", "create", "jobsets", "jobset.x-k8s.io", TEAM, "", True),
        (f"{ACCOUNT}:pipeline", "create", "jobsets", "jobset.x-k8s.io", SERVING, "", True),
        (f"{ACCOUNT}:pipeline", "get", "secrets", "", TEAM, "", False),
        (f"{ACCOUNT}:pipeline", "patch", "clusterqueues", "kueue.x-k8s.io", "", QUEUE, False),
        (f"{ACCOUNT}:viewer", "list", "pods", "", TEAM, "", True),
        (f"{ACCOUNT}:viewer", "delete", "pods", "", TEAM, "", False),
        (f"{ACCOUNT}:approver", "get", "httproutes", "gateway.networking.k8s.io", SERVING, "", True),
        (f"{ACCOUNT}:approver", "patch", "httproutes", "gateway.networking.k8s.io", SERVING, "", False),
        (f"{ACCOUNT}:skywright-budget", "patch", "clusterqueues", "kueue.x-k8s.io", "", QUEUE, True),
        (f"{ACCOUNT}:skywright-budget", "patch", "clusterqueues", "kueue.x-k8s.io", "", "others", False),
        (f"{ACCOUNT}:skywright-budget", "list", "scaledobjects", "keda.sh", SERVING, "", True),
        (f"{ACCOUNT}:skywright-budget", "list", "scaledobjects", "keda.sh", TEAM, "", False),
        (f"{ACCOUNT}:skywright-budget", "patch", "configmaps", "", "skywright", "skywright-budget-state", True),
        (f"{ACCOUNT}:skywright-budget", "patch", "configmaps", "", "skywright", "approver-key", False),
        ("system:serviceaccount:skywright-team-default:training", "get", "pods", "", TEAM, "", False),
        ("system:serviceaccount:skywright-serving:serving", "get", "pods", "", SERVING, "", False),
        ("skywright:kubernetes-dev:admin", "delete", "jobsets", "jobset.x-k8s.io", TEAM, "", True),
        ("skywright:kubernetes-dev:admin", "create", "rolebindings", "rbac.authorization.k8s.io", TEAM, "", False),
    ],
)
def test_each_role_may_do_its_own_and_no_more(
    running: Server, dev: list[dict[str, Any]], who: str, verb: str, resource: str, group: str, namespace: str,
    name: str, is_allowed: bool,
) -> None:  # fmt: skip
    assert may(running, who, verb, resource, namespace, name, group) is is_allowed


def test_the_actor_holds_real_queues_and_scalers_with_the_patches_that_it_sends(
    running: Server, dev: list[dict[str, Any]]
) -> None:
    pod = next(item for item in dev if item["kind"] == "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    environ = {item["name"]: item["value"] for item in pod["containers"][0]["env"]}
    trust = ssl.create_default_context(cafile=str(running.ca_file))

    def call(method: str, path: str, patch: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(
            running.url + path,
            method=method,
            data=None if patch is None else json.dumps(patch).encode(),
            headers={
                "Authorization": f"Bearer {running.token()}",
                "Impersonate-User": f"{ACCOUNT}:skywright-budget",
                "Content-Type": "application/merge-patch+json",
            },
        )
        with urllib.request.urlopen(request, context=trust, timeout=20) as answer:
            return json.load(answer)

    def look(spent: float) -> dict[str, Any]:
        answer = {"data": {"result": [{"value": [0, str(spent)]}]}}
        return actor.run(environ, call=call, fetch=lambda url: answer, now=1_762_000_000)

    def standing() -> tuple[str, str, str | None]:
        api = Api(connect(running))
        policies = [
            api.get(
                objects.Ref("kueue.x-k8s.io/v1beta1", "ClusterQueue", "", f"skywright-kubernetes-dev-default-{kind}")
            )
            for kind in ("spot", "on-demand")
        ]
        scaler = api.get(objects.Ref("keda.sh/v1alpha1", "ScaledObject", SERVING, "predict-v1"))
        assert scaler and all(policies)
        spot, on_demand = (queue["spec"]["stopPolicy"] for queue in policies if queue)
        return spot, on_demand, (scaler["metadata"].get("annotations") or {}).get(actor.PAUSED)

    limit = float(environ["SKYWRIGHT_LIMIT_USD"])
    assert look(limit * 1.25)["effects"] == ["block_new", "stop_spot", "scale_to_zero"]
    assert standing() == ("HoldAndDrain", "Hold", "0")
    api = Api(connect(running))
    for body in dev:  # an `up` meanwhile: what the budget holds, it holds
        api.apply(body, objects.ref(body), is_forced=True)
    assert standing() == ("HoldAndDrain", "Hold", "0")
    look(limit * 0.1)
    assert standing() == ("None", "None", None)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        call("PATCH", f"/apis/keda.sh/v1alpha1/namespaces/{TEAM}/scaledobjects/a", {"spec": {}})


def test_the_files_that_the_job_mounts_are_those_of_the_repository(dev: list[dict[str, Any]]) -> None:
    code = next(item for item in dev if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "skywright-budget")
    assert code["data"]["ml_jobs.budget.kubernetes.py"] == Path(actor.__file__).read_text()
