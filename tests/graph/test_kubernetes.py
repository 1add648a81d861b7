"""What is declared on a cluster (tier: graph); that a real API server takes it is held in tests/rehearsal."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from catalog.errors import UserError
from components import contract as components
from components.exports import HOMES
from components.kubernetes.operators import CHARTS
from infra.program import components_of
from infra.settings import load
from ml_jobs.contract import StackContract
from tests.graph.harness import Declared, Graph, declare, graph

SHA = "ab" * 32
IMAGE = "sha256:" + "cd" * 32


def settings(**sections: Any) -> Any:
    own = {"images": {"repository": "registry.example.com/skywright"}, **sections.pop("kubernetes", {})}
    config = {"skywright:cloud": "kubernetes", "skywright:kubernetes": json.dumps(own)} | {
        f"skywright:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in sections.items()
    }
    return load(config, stack="test")


def released(version: int, weight: float, **fields: Any) -> dict[str, Any]:
    return {
        "model": "digits", "version": version, "artifact_url": "s3://a/m", "artifact_sha256": SHA,
        "image_digest": IMAGE, "approval_ref": "s3://log#sha256=" + SHA, "weight_percent": weight, **fields,
    }  # fmt: skip


def objects(declared: Graph, kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind by `namespace/name`, or by name."""
    found = {}
    for item in declared.resources:
        if item.type.startswith("kubernetes:") and item.type.endswith(f":{kind}"):
            metadata = item.inputs["metadata"]
            found["/".join(filter(None, (metadata.get("namespace"), metadata["name"])))] = item.inputs
    return found


def keyed(declared: Graph) -> dict[tuple[str, str], Declared]:
    return {(item.type.rsplit(":", 1)[1], item.name): item for item in declared.resources}


def changed(before: Graph, after: Graph) -> dict[str, set[str]]:
    """Kinds whose objects came, went or changed, components apart."""
    old, new = keyed(before), keyed(after)
    found: dict[str, set[str]] = {"added": set(), "removed": set(), "changed": set()}
    for key in old.keys() | new.keys():
        how = "removed" if key not in new else "added" if key not in old else "changed"
        if how != "changed" or (old[key].inputs != new[key].inputs and key[0] not in HOMES):
            found[how].add(key[0])
    return found


def pods(declared: Graph) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that is declared, under whatever makes it."""
    for item in declared.resources:
        spec = item.inputs.get("spec") or {}
        if item.type.endswith(":Deployment"):
            yield item.name, spec["template"]["spec"]
        elif item.type.endswith(":CronJob"):
            yield item.name, spec["jobTemplate"]["spec"]["template"]["spec"]
        elif item.type.endswith(":InferenceService"):
            yield item.name, spec["predictor"]


BOTH = {"v1": released(1, 90), "v2": released(2, 10)}


def with_releases(releases: dict[str, Any], **endpoint: Any) -> Graph:
    return declare(settings(endpoint={"releases": releases, **endpoint}))


@graph("kubernetes-dev")
def test_every_component_is_declared_once_and_the_export_is_a_whole_contract(declared: Graph) -> None:
    kinds = sorted(item.type.rsplit(":", 1)[1] for item in declared.resources if item.type.startswith("skywright:"))
    assert kinds == sorted(HOMES)
    names = [(item.type, item.name) for item in declared.resources]
    assert len(names) == len(set(names))
    contract = StackContract.read(declared.contract)
    assert {queue.name: queue.ref for queue in contract.queues} == {
        "default-spot": "skywright-team-default/spot",
        "default-on-demand": "skywright-team-default/on-demand",
    }
    assert contract.endpoints["predict"].url == "http://skywright-kubernetes-dev-predict.envoy-gateway-system.svc"


def test_the_eight_classes_give_back_the_promised_outputs() -> None:
    package = components_of("kubernetes")
    for base in components.KINDS:
        exported = getattr(package, base.__name__)
        assert issubclass(exported, base) and exported.cloud == "kubernetes"
        promised = get_args(base.__orig_bases__[0])[1]  # type: ignore[attr-defined]
        assert issubclass(inspect.signature(exported.build, eval_str=True).return_annotation, promised)


@graph("kubernetes-prod")
def test_each_team_has_a_closed_namespace_with_its_quota(declared: Graph) -> None:
    namespaces = objects(declared, "Namespace")
    for team in ("recommendations", "research"):
        home = f"skywright-team-{team}"
        labels = namespaces[home]["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        policies = objects(declared, "NetworkPolicy")
        shut = policies[f"{home}/default-deny"]["spec"]
        assert shut["policyTypes"] == ["Ingress", "Egress"] and not shut.get("ingress") and not shut.get("egress")
        assert shut["podSelector"] == {}
        peers = [
            peer
            for key, policy in policies.items()
            if key.startswith(f"{home}/")
            for rule in policy["spec"].get("ingress") or ()
            for peer in rule["from"]
        ]
        assert peers == [
            {"podSelector": {}},  # its own namespace
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
        ]
        assert f"{home}/limits" in objects(declared, "LimitRange")
    quota = objects(declared, "ResourceQuota")["skywright-team-research/quota"]["spec"]["hard"]
    assert quota["requests.nvidia.com/gpu"] == "9" and quota["requests.cpu"] == "64"
    assert quota["services.loadbalancers"] == quota["services.nodeports"] == "0"


@graph("kubernetes-prod")
def test_queues_share_one_cohort_and_split_at_what_a_budget_stops(declared: Graph) -> None:
    queues = objects(declared, "ClusterQueue")
    assert sorted(queues) == [
        f"skywright-kubernetes-prod-{team}-{kind}"
        for team in ("recommendations", "research")
        for kind in ("on-demand", "spot")
    ]
    assert {queue["spec"]["cohort"] for queue in queues.values()} == {"skywright-kubernetes-prod-cohort"}
    spot = queues["skywright-kubernetes-prod-research-spot"]["spec"]
    (group,) = spot["resourceGroups"]
    assert group["coveredResources"] == ["cpu", "memory", "nvidia.com/gpu"]
    (flavor,) = group["flavors"]
    gpus = flavor["resources"][2]
    assert gpus == {"name": "nvidia.com/gpu", "nominalQuota": "8", "borrowingLimit": "0"}
    other = queues["skywright-kubernetes-prod-recommendations-spot"]["spec"]["resourceGroups"][0]["flavors"][0]
    assert other["resources"][2] == {"name": "nvidia.com/gpu", "nominalQuota": "24"}
    assert all("stopPolicy" not in queue["spec"] for queue in queues.values())  # the budget's, not ours
    assert spot["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "skywright-team-research"}


def test_every_container_is_restricted_bounded_and_pinned() -> None:
    declared = with_releases(BOTH)
    found = dict(pods(declared))
    assert len(found) == 4
    for pod in found.values():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"] and not own["privileged"]
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"] and container["resources"]["limits"]
            assert re.search(r"(@sha256:[0-9a-f]{64}|:[0-9][\w.-]*|:v[0-9][\w.-]*)$", container["image"])
    mounted = [name for name, pod in found.items() if pod.get("automountServiceAccountToken") is not False]
    assert mounted == ["budget-actor"]  # nothing else asks the API server


def test_weights_change_the_route_and_nothing_else() -> None:
    other = {"v1": released(1, 50), "v2": released(2, 50)}
    assert changed(with_releases(BOTH), with_releases(other)) == {
        "added": set(), "removed": set(), "changed": {"HTTPRoute"},
    }  # fmt: skip


def test_a_new_release_adds_its_own_and_changes_the_route() -> None:
    before = with_releases({"v1": released(1, 100)})
    assert changed(before, with_releases(BOTH)) == {
        "added": {"InferenceService", "ScaledObject", "PodDisruptionBudget"},
        "removed": set(),
        "changed": {"HTTPRoute"},
    }  # fmt: skip


def test_the_whole_record_stands_in_what_is_declared() -> None:
    declared = with_releases(BOTH)
    (route,) = objects(declared, "HTTPRoute").values()
    told = json.loads(route["metadata"]["annotations"]["skywright.dev/releases"])
    assert told["v1"] == {**released(1, 90), "shadow_percent": 0}
    service = objects(declared, "InferenceService")["skywright-serving/predict-v1"]
    record = json.loads(service["metadata"]["annotations"]["skywright.dev/record"])
    assert record == {key: value for key, value in told["v1"].items() if not key.endswith("_percent")}
    env = {item["name"]: item.get("value") for item in service["spec"]["predictor"]["containers"][0]["env"]}
    assert json.loads(env["SKYWRIGHT_RELEASE"]) == record
    assert service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "RawDeployment"


def test_a_team_changes_its_own_and_what_it_shares_with_the_others() -> None:
    def with_teams(*names: str) -> Graph:
        return declare(settings(training={"teams": {name: {} for name in names}}))

    found = changed(with_teams("a"), with_teams("a", "b"))
    assert found["removed"] == set()
    # Shares of the first, and the budget that must know the new queues.
    assert found["changed"] == {"ClusterQueue", "ClusterRole", "CronJob"}
    assert found["added"] >= {"Namespace", "ClusterQueue", "LocalQueue", "ResourceQuota", "NetworkPolicy"}


def test_the_budget_may_touch_exactly_what_it_stops() -> None:
    declared = with_releases(BOTH)
    (role,) = objects(declared, "ClusterRole").values()
    assert role["rules"] == [
        {
            "apiGroups": ["kueue.x-k8s.io"],
            "resources": ["clusterqueues"],
            "verbs": ["get", "patch"],
            "resourceNames": ["skywright-test-default-on-demand", "skywright-test-default-spot"],
        }
    ]
    roles = objects(declared, "Role")
    assert roles["skywright-serving/skywright-budget"]["rules"] == [
        {"apiGroups": ["keda.sh"], "resources": ["scaledobjects"], "verbs": ["list", "patch"]}
    ]
    assert roles["skywright/skywright-budget"]["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"],
         "resourceNames": ["skywright-budget-state"]}
    ]  # fmt: skip


@graph("kubernetes-prod")
def test_no_role_has_a_wildcard_and_jobs_and_servers_have_none(declared: Graph) -> None:
    for kind in ("Role", "ClusterRole"):
        for role in objects(declared, kind).values():
            for rule in role["rules"]:
                assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
                assert "secrets" not in rule["resources"]
    bound = {
        subject["name"]
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for binding in objects(declared, kind).values()
        for subject in binding["subjects"]
    }
    assert {"training", "serving"}.isdisjoint(bound)
    assert {"ml-engineers", "ml-leads", "ml-platform", "skywright:kubernetes-prod:viewer"} <= bound


@graph("kubernetes-prod")
def test_names_and_labels_are_within_what_kubernetes_takes(declared: Graph) -> None:
    for item in declared.resources:
        if not item.type.startswith("kubernetes:") or "helm" in item.type:
            continue
        metadata = item.inputs["metadata"]
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", metadata["name"]), item.name
        assert len(metadata["name"]) <= 63
        for key, value in metadata["labels"].items():
            assert re.fullmatch(r"([a-z0-9.-]+/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", key)
            assert re.fullmatch(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", value)
        assert metadata["labels"]["skywright.dev/owner"] == "ml-platform"


def test_the_longest_names_stay_apart_and_within_their_limits() -> None:
    long = "a" * 38
    releases = {f"{long}{digit}": released(digit, 50) for digit in (1, 2)}
    declared = declare(
        settings(
            endpoint={"name": "b" * 40, "releases": releases},
            training={"teams": {f"{long}{digit}": {} for digit in (1, 2)}},
        )
    )
    services = objects(declared, "InferenceService")
    assert len(services) == 2 and all(len(key.split("/")[1] + "-predictor") <= 63 for key in services)
    assert len({queue.ref for queue in StackContract.read(declared.contract).queues}) == 4
    assert all(len(name) <= 63 for name in objects(declared, "Namespace"))


def test_operators_are_pinned_and_can_be_left_to_the_cluster() -> None:
    declared = declare(settings())
    releases = declared.of("helm.sh/v3:Release")
    assert {item.inputs["version"] for item in releases.values()} == {
        chart.version for name, chart in CHARTS.items() if name != "gpu"
    }
    off = declare(settings(kubernetes={"operators": {name: {"enabled": False} for name in CHARTS}}))
    assert not off.of("helm.sh/v3:Release")
    assert objects(off, "ClusterQueue")  # what they act on is declared all the same
    pinned = declare(settings(kubernetes={"operators": {"kueue": {"version": "0.14.2"}}}))
    (kueue,) = (item for item in pinned.of("helm.sh/v3:Release").values() if item.inputs.get("name") == "kueue")
    assert kueue.inputs["version"] == "0.14.2"


def test_accelerators_bring_their_operator() -> None:
    pools = {"gpu": {"accelerator": {"kind": "L4"}, "is_spot": True}}
    declared = declare(settings(training={"pools": pools}))
    assert "gpu" in {item.inputs.get("name") for item in declared.of("helm.sh/v3:Release").values()}


def test_servers_go_to_the_nodes_of_their_accelerator_and_capacity() -> None:
    pools = {
        "spot": {"accelerator": {"kind": "L4"}, "is_spot": True},
        "steady": {"accelerator": {"kind": "L4"}},
        "other": {"accelerator": {"kind": "T4"}},
    }
    endpoint = {"accelerator": {"kind": "L4"}, "releases": {"v1": released(1, 100)}}
    declared = declare(settings(training={"pools": pools}, endpoint=endpoint))
    (service,) = objects(declared, "InferenceService").values()
    predictor = service["spec"]["predictor"]
    terms = predictor["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "skywright.dev/pool", "operator": "In", "values": ["steady"]}]}]
    assert predictor["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    with pytest.raises(UserError, match="asks for 1 H100 on on-demand nodes, and no pool has them"):
        declare(settings(training={"pools": pools}, endpoint={**endpoint, "accelerator": {"kind": "H100"}}))


def test_a_brought_namespace_is_patched_and_never_created() -> None:
    declared = declare(settings(kubernetes={"existing": {"namespaces": ["skywright"]}}))
    assert "skywright" not in objects(declared, "Namespace")
    (patch,) = objects(declared, "NamespacePatch").values()
    assert patch["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_brought_storage_and_registry_are_used_and_not_made() -> None:
    own = {"storage_url": "s3://bucket/base/", "existing": {"tracking_url": "https://mlflow.example.com"}}
    declared = declare(settings(kubernetes=own))
    assert not objects(declared, "PersistentVolumeClaim") and not objects(declared, "Deployment")
    contract = StackContract.read(declared.contract)
    assert contract.storage.checkpoints == "s3://bucket/base/checkpoints"
    assert contract.registry.tracking_url == "https://mlflow.example.com"


def test_a_webhook_token_lies_in_one_secret_and_nowhere_else() -> None:
    declared = declare(
        settings(monitoring={"webhook_url": "https://hooks.example.com/x"}), secrets={"webhookToken": "canary"}
    )
    told = [item.name for item in declared.resources if "canary" in json.dumps(item.inputs)]
    assert told == ["monitoring-webhook-token"]
    (receivers,) = objects(declared, "AlertmanagerConfig").values()
    (hook,) = receivers["spec"]["receivers"][0]["webhookConfigs"]
    assert hook["httpConfig"]["authorization"]["credentials"] == {"name": "webhook-token", "key": "token"}


PUBLIC = {"network": {"is_api_public": True}}


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (PUBLIC, "the gateway would answer in clear"),
        ({"endpoint": {"capture_percent": 10}}, "KServe's logger keeps all or nothing"),
        ({"endpoint": {"capture_percent": 100}}, "nothing takes what is captured"),
        ({"endpoint": {"releases": {"v1": released(1, 100, image_digest=None)}}}, "runs nothing but images"),
        ({"monitoring": {"emails": ["a@b.c"]}}, "nobody here sends mail"),
        ({"training": {"runtime": "managed"}}, "has no managed service"),
        ({"kubernetes": {"pools": {"sopt": {}}}}, "Did you mean spot"),
        ({"environment": "prod", "endpoint": {"is_spot": True}}, r"endpoint.is_spot is (true|True)"),
        ({"kubernetes": {"gateway": {"class_name": "istio"}}}, "without host"),
    ],
)
def test_what_a_cluster_cant_do_is_refused_before_anything_is_declared(sections: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        declare(settings(**sections))
    assert refused.value.remedy or "allowed" in str(refused.value)
