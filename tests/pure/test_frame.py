"""Components and providers written into a state by themselves."""

from __future__ import annotations

from catalog.import_ids import UNKNOWN
from infra.engine.events import Step
from infra.engine.frame import framed, is_frame, is_secret, waits

ROOT = "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s"
PROVIDER = Step(
    "create", "urn:pulumi:s::p::pulumi:providers:gcp::gcp", {"region": "r", "version": "9", "__internal": {}}, ROOT
)
COMPONENT = Step("create", "urn:pulumi:s::p::skywright:gcp:Network::network", {"region": "r"}, ROOT)


def test_what_is_framed_stands_in_the_state_once_below_its_parent() -> None:
    steps = [Step("create", ROOT), PROVIDER, COMPONENT]
    assert all(map(is_frame, steps))
    export = framed({"version": 3, "deployment": {"manifest": {}, "resources": [{"urn": ROOT}]}}, steps)
    root, provider, component = export["deployment"]["resources"]
    assert root == {"urn": ROOT} and export["deployment"]["manifest"] == {}
    assert provider["custom"] and provider["id"] and provider["outputs"] == {"region": "r", "version": "9"}
    assert component["parent"] == ROOT and not component["custom"] and component["inputs"] == {"region": "r"}


def test_a_provider_waits_for_what_it_is_told_by_and_a_clouds_resource_is_no_frame() -> None:
    unknown = Step("create", PROVIDER.urn, {"kubeconfig": UNKNOWN})
    assert waits(unknown) and not is_frame(unknown) and not waits(PROVIDER)
    assert not waits(Step("update", PROVIDER.urn, {"kubeconfig": UNKNOWN}))
    assert is_secret(Step("create", PROVIDER.urn, {"kubeconfig": "[secret]"})) and not is_secret(PROVIDER)
    assert not is_frame(Step("create", "urn:pulumi:s::p::gcp:compute/network:Network::vpc"))
    assert not is_frame(Step("same", COMPONENT.urn))
