"""The stand-in for the provider `kubernetes`: a small stack's life on the real engine, and each answer alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi.provider.experimental import provider as p

from infra.engine.events import Outcome
from infra.engine.run import EngineFailed
from infra.rehearsal.core import evidence, launch
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.faults import Fault
from infra.rehearsal.core.provider import Refused
from infra.rehearsal.core.values import plain, wire
from infra.rehearsal.kubernetes import clusters, helm
from infra.rehearsal.kubernetes.objects import ref
from infra.rehearsal.kubernetes.provider import JUDGE, Kubernetes
from tests.rehearsal.kubernetes_bed import Bed, body

KUEUE = {
    "chart": "oci://registry.k8s.io/kueue/charts/kueue",
    "version": "0.14.0",
    "name": "kueue",
    "namespace": "kueue-system",
    "create_namespace": True,
}
RESOURCES = [{"name": "cpu", "nominalQuota": "1000m"}, {"name": "memory", "nominalQuota": "4096Mi"}]
GROUP = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "spot", "resources": RESOURCES}]}
SMALL: dict[str, dict[str, Any]] = {
    "team": {"body": body("v1", "Namespace", "team", labels={"owner": "team"}), "token": "core/v1"},
    "settings": {"body": body("v1", "ConfigMap", None, "team", data={"a": "1"}), "token": "core/v1", "after": ["team"]},
    "key": {
        "body": body("v1", "Secret", "key", "team", stringData={"password": "hunter2"}),
        "token": "core/v1",
        "after": ["team"],
    },
    "kueue": {"body": KUEUE},
    "spot": {"body": body("kueue.x-k8s.io/v1beta1", "ResourceFlavor", "spot"), "after": ["kueue"]},
    "all": {
        "body": body(
            "kueue.x-k8s.io/v1beta1", "ClusterQueue", "all", spec={"namespaceSelector": {}, "resourceGroups": [GROUP]}
        ),
        "after": ["kueue"],
    },
    "queue": {
        "body": body("kueue.x-k8s.io/v1beta1", "LocalQueue", "queue", "team", spec={"clusterQueue": "all"}),
        "after": ["kueue", "team"],
    },
}
QUICK = ["--skip-preview"]


def changed(outcome: Outcome) -> dict[str, int]:
    return {what: count for what, count in outcome.changes.items() if what != "same" and count}


def test_a_stack_lives_on_a_real_api_server(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    try:
        _live(bed)
    finally:
        bed.end()
    assert clusters.running(bed.account.folder) == {}


def _live(bed: Bed) -> None:
    bed.declare(**SMALL)
    bed.engine.up()
    assert bed.api.get(ref(SMALL["all"]["body"])) is not None
    proofs = bed.proofs()
    judged = {name: (proof.tier, proof.judge, proof.unaccounted) for name, proof in proofs.items()}
    chart = {"kueue": ("accepted", "chart kueue 0.14.0", ())}
    assert judged == dict.fromkeys(set(SMALL), ("accepted", JUDGE, ())) | chart
    assert "stringData.password" in proofs["key"].carried
    assert "hunter2" not in json.dumps(bed.engine.export())
    assert all("hunter2" not in file.read_text(errors="replace") for file in bed.account.folder.glob("*.*"))

    assert bed.engine.up(args=QUICK).is_unchanged, "1000m is 1, and no default of the server is a change"

    (settings,) = bed.api.list("v1", "ConfigMap", namespace="team", label_selector="!x")
    assert settings["metadata"]["name"].startswith("settings-")
    SMALL_CHANGED = {
        "settings": {**SMALL["settings"], "body": body("v1", "ConfigMap", None, "team", data={"a": "2"})},
        "queue": {
            **SMALL["queue"],
            "body": body("kueue.x-k8s.io/v1beta1", "LocalQueue", "renamed", "team", spec={"clusterQueue": "all"}),
        },
    }
    bed.declare(**SMALL_CHANGED)
    assert changed(bed.engine.up(args=QUICK)) == {"update": 1, "replace": 1}
    (kept,) = bed.api.list("v1", "ConfigMap", namespace="team")
    assert (kept["metadata"]["name"], kept["data"]) == (settings["metadata"]["name"], {"a": "2"})
    (queue,) = bed.api.list("kueue.x-k8s.io/v1beta1", "LocalQueue", namespace="team")
    assert queue["metadata"]["name"] == "renamed"

    bed.api.patch(ref(SMALL["team"]["body"]), {"metadata": {"labels": {"owner": "somebody"}}}, "kubectl-label")
    bed.api.delete(ref(SMALL["spot"]["body"]))
    assert changed(bed.engine.refresh()) == {"update": 1, "delete": 1}
    assert changed(bed.engine.up(args=QUICK)) == {"update": 1, "create": 1}
    team = bed.api.get(ref(SMALL["team"]["body"]))
    assert team is not None and team["metadata"]["labels"]["owner"] == "team"

    bed.engine.destroy(args=QUICK)
    assert bed.api.list("kueue.x-k8s.io/v1beta1", "ClusterQueue") == []
    assert bed.api.get(ref(SMALL["team"]["body"])) is None
    assert bed.account.objects() == []


def test_a_refusal_ends_the_preview_with_the_servers_words_and_creates_nothing(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    try:
        bad = body("apps/v1", "Deployment", "web", "default", spec={"replicas": -1, "selector": {}, "template": {}})
        bed.declare(web={"body": bad}, good={"body": body("v1", "ConfigMap", "good", "default"), "token": "core/v1"})
        with pytest.raises(
            EngineFailed, match=r"spec\.replicas: Invalid value: -1: must be greater than or equal to 0"
        ):
            bed.engine.up()
        assert bed.account.objects() == []
        clusters.behave(bed.account.folder, "read-only")
        bed.declare(web=None)
        with pytest.raises(
            EngineFailed, match=r"the cluster of context 'lab' .* can only be read: creating namespaces"
        ):
            bed.engine.up()
        assert bed.account.objects() == []
    finally:
        bed.end()


# --- each answer by itself, without an engine


class Hands:
    """A provider of its own, asked as the engine would."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.account = Account(folder)
        self.provider = Kubernetes(self.account)
        self.ask(self.provider.configure(p.ConfigureRequest({}, wire({"context": "lab", **options}), True, True)))

    @staticmethod
    def ask(asked: Any) -> Any:
        return LOOP.run_until_complete(asked)

    def check(self, what: dict[str, Any], olds: dict[str, Any] | None = None, name: str = "one") -> list[str]:
        answer = self.ask(
            self.provider.check(p.CheckRequest(urn(what, name), wire(olds or {}), wire(what), b"\1" * 32))
        )
        self.checked = plain(answer.inputs)
        return [failure.reason for failure in answer.failures]

    def create(self, what: dict[str, Any], name: str = "one") -> Any:
        assert self.check(what, name=name) == []
        return self.ask(self.provider.create(p.CreateRequest(urn(what, name), wire(self.checked), 0, False)))

    def diff(self, olds: dict[str, Any], news: dict[str, Any]) -> Any:
        return self.ask(self.provider.diff(p.DiffRequest(urn(news), ref(olds).id, wire(olds), wire(news), [])))

    def delete(self, made: Any, what: dict[str, Any]) -> None:
        self.ask(self.provider.delete(p.DeleteRequest(urn(what), made.resource_id, made.properties, 0)))


LOOP = asyncio.new_event_loop()


def urn(what: dict[str, Any], name: str = "one") -> str:
    token = helm.TYPE if "chart" in what else f"kubernetes:{what['apiVersion']}:{what['kind']}"
    return f"urn:pulumi:small::small::{token}::{name}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made: Path = tmp_path_factory.mktemp("account")
    yield made
    clusters.end(made)
    launch.end(Account(made))


@pytest.fixture
def hands(folder: Path) -> Hands:
    return Hands(folder)


RELEASE = {
    "chart": "cert-manager",
    "version": "v1.21.2",
    "name": "cert-manager",
    "namespace": "cert-manager",
    "createNamespace": True,
    "repositoryOpts": {"repo": "https://charts.jetstack.io"},
}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (body("v1", "ConfigMap", "x", "default", dta={"a": "b"}), "dta: field not declared in schema"),
        (body("v1", "ConfigMap", "x", "default", data={"a": 1}), "data.a: expected string, got &value"),
        (body("v1", "ConfigMap", "Not_A_Name", "default"), "a lowercase RFC 1123 subdomain must consist"),
        (body("v1", "Confi", "x", "default"), "no matches for kind|No matches found"),
        (body("batch/v1", "Job", "x", "default", spec={"template": {"spec": {}}}), "spec.template.spec.containers"),
        (body("kueue.x-k8s.io/v1beta1", "ClusterQueue", "x", spec={"stopPolicy": "Stop"}), "supported values"),
        (body("kueue.x-k8s.io/v1beta1", "ClusterQueue", "x", spec={"quota": 1}), r"\.spec\.quota: field not declared"),
        ({"apiVersion": "v1", "metadata": {"name": "x"}, "kind": 3}, "apiVersion and kind must be given"),
        ({**RELEASE, "version": "1.x"}, "version of chart 'cert-manager' is '1.x'; allowed: an exact version"),
        ({**RELEASE, "chart": "certmanager"}, "chart 'certmanager' is not one that is known here; known: cert-manager"),
        ({**RELEASE, "repositoryOpts": {"repo": "https://x.example"}}, "it is published at https://charts.jetstack.io"),
        ({**RELEASE, "namspace": "x"}, "namspace"),
        ({**RELEASE, "values": {"crds": {"enable": True}}}, "values.crds.enable is no value of the chart; .*enabled"),
        ({**RELEASE, "values": {"crds": {"enabled": "yes"}}}, "values.crds.enabled is 'yes'; allowed: true, false"),
    ],
)
def test_what_the_server_would_not_take_is_refused_before_it_is_made(hands: Hands, what: Any, expected: str) -> None:
    import re

    (why, *_) = hands.check(what)
    assert re.search(expected, why), why
    assert "\n" not in why


def test_an_object_in_a_namespace_that_is_still_to_come_is_judged_all_the_same(hands: Hands) -> None:
    assert hands.check(body("v1", "ConfigMap", "x", "to-come", data={"a": "b"})) == []
    assert hands.checked["metadata"]["namespace"] == "to-come"
    assert "dta" in hands.check(body("v1", "ConfigMap", "x", "to-come", dta={}))[0]
    with pytest.raises(Refused, match='namespaces "to-come" not found'):
        hands.create(body("v1", "ConfigMap", "x", "to-come"))


def test_it_lies_in_the_providers_namespace_unless_its_kind_lies_in_none(folder: Path) -> None:
    hands = Hands(folder, namespace="kube-system")
    hands.check(body("v1", "ConfigMap", "x"))
    assert hands.checked["metadata"]["namespace"] == "kube-system"
    hands.check(body("v1", "Namespace", "x"))
    assert "namespace" not in hands.checked["metadata"]


def test_a_name_that_is_made_up_stays_and_one_that_is_given_is_kept(hands: Hands) -> None:
    hands.check(body("v1", "ConfigMap", None, "default"))
    first = hands.checked
    assert first["metadata"]["name"] == "one-01010101"
    hands.check(body("v1", "ConfigMap", None, "default", data={"a": "b"}), {**first, "metadata": first["metadata"]})
    assert hands.checked["metadata"]["name"] == "one-01010101"


def test_what_is_there_already_is_not_taken_over_unless_the_provider_upserts(hands: Hands, folder: Path) -> None:
    what = body("v1", "ConfigMap", "taken", "default", data={"a": "b"})
    hands.create(what, "first")
    with pytest.raises(Refused, match='ConfigMap "default/taken" already exists: import it'):
        hands.create(what, "second")
    upserting = Hands(folder, upsertExistingObjects="true")
    upserting.delete(upserting.create(what, "second"), what)


def test_what_a_crash_left_is_adopted_and_not_made_twice(folder: Path) -> None:
    what = body("v1", "ConfigMap", "orphan", "default")
    Hands(folder).create(what)  # its answer never reached the engine
    after = Hands(folder)
    made = after.create(what)
    assert made.resource_id == "default/orphan"
    with pytest.raises(Refused, match="already exists"):
        after.diff(what, what)  # the engine knows this one: another by its name is another's
        after.create(what)
    after.delete(made, what)


def test_a_field_of_another_manager_is_left_alone_unless_the_provider_forces(hands: Hands, folder: Path) -> None:
    what = body("v1", "ConfigMap", "shared", "default", data={"a": "ours"})
    made = hands.create(what)
    api = hands.ask(hands.provider._cluster.api())
    api.patch(ref(what), {"data": {"a": "theirs"}}, "kubectl-edit")
    update = p.UpdateRequest(urn(what), made.resource_id, made.properties, wire(what), 0, [], False)
    with pytest.raises(Refused, match=r'conflict with "kubectl-edit".*\.data\.a'):
        hands.ask(hands.provider.update(update))
    forcing = Hands(folder, enablePatchForce="true")
    told = forcing.ask(forcing.provider.update(update))
    assert plain(told.properties)["data"] == {"a": "ours"}
    hands.delete(made, what)


CONFIG = body("v1", "ConfigMap", "d", "default", data={"a": "1"})


@pytest.mark.parametrize(
    ("olds", "news", "replaces", "is_deleted_first"),
    [
        (CONFIG, {"data": {"a": "2"}}, [], False),
        (CONFIG, {"metadata": {"name": "e", "namespace": "default"}}, ["metadata.name"], False),
        ({**CONFIG, "immutable": True}, {"data": {"a": "2"}}, ["data.a"], True),
        (
            body(
                "rbac.authorization.k8s.io/v1", "RoleBinding", "d", "default",
                roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            ),
            {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}},
            ["roleRef.name"],
            True,
        ),
    ],
)  # fmt: skip
def test_a_change_replaces_only_what_the_server_holds_immutable(
    hands: Hands, olds: Any, news: Any, replaces: list[str], is_deleted_first: bool
) -> None:
    made = hands.create(olds)
    after = {**olds, **news}
    assert hands.check(after, olds) == []
    told = hands.diff(olds, after)
    assert (told.changes, told.replaces, told.delete_before_replace) == (True, replaces, is_deleted_first)
    hands.delete(made, olds)


def test_an_import_reads_what_is_there_as_it_would_be_declared(hands: Hands) -> None:
    what = body("v1", "ConfigMap", "found", "default", data={"a": "b"})
    made = hands.create(what)
    token = "urn:pulumi:small::small::kubernetes:core/v1:ConfigMap::one"
    told = hands.ask(hands.provider.read(p.ReadRequest(token, "default/found", {}, {})))
    assert told.resource_id == "default/found"
    inputs = plain(told.inputs)
    assert inputs == what
    gone = hands.ask(hands.provider.read(p.ReadRequest(token, "default/nothing", {}, {})))
    assert gone.resource_id == ""
    hands.delete(made, what)


def test_a_kind_that_comes_before_its_operator_is_refused_when_the_operator_comes(folder: Path) -> None:
    hands = Hands(folder, context="order")
    flavor = body("kueue.x-k8s.io/v1beta1", "ResourceFlavor", "early")
    hands.create(flavor)
    release = {
        **RELEASE,
        **{"chart": KUEUE["chart"], "version": "0.14.0", "name": "kueue", "namespace": "kueue-system"},
    }
    release.pop("repositoryOpts")
    with pytest.raises(Refused, match=r'no matches for kind "ResourceFlavor".*let it depend on this release'):
        hands.create(release)


def test_faults_strike_as_planned(hands: Hands) -> None:
    what = body("v1", "ConfigMap", "struck", "default")
    hands.account.faults.plan(Fault("throttle", count=2))
    hands.delete(hands.create(what), what)
    assert len(hands.account.faults.strikes()) == 2
    hands.account.faults.plan(Fault("quota"))
    with pytest.raises(Refused, match="is forbidden: exceeded quota"):
        hands.create(what)
    hands.account.faults.clear()


def test_a_stand_in_that_judges_nothing_starts_nothing(tmp_path: Path) -> None:
    provider = Kubernetes(Account(tmp_path), is_strict=False)
    what = body("v1", "ConfigMap", None, "default", dta="nonsense")
    checked = Hands.ask(provider.check(p.CheckRequest(urn(what), {}, wire(what), b"\1" * 32)))
    assert not checked.failures
    made = Hands.ask(provider.create(p.CreateRequest(urn(what), checked.inputs, 0, False)))
    assert made.resource_id == "default/one-01010101"
    assert clusters.running(tmp_path) == {}
    assert evidence.last(provider.account) == []
