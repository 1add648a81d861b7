"""Requests of people are kept only where somebody said why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import declared
from policies.graph import Node
from policies.resources import UNKNOWN, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.classification import PURPOSE, classified, has_purpose, is_sensitive
from policies.rules.optional import flag, is_given, mapping, text
from policies.rules.pods import INFERENCE


@rule(
    "sensitive-data-capture",
    Severity.HIGH,
    types=("skywright:*:ModelEndpoint",),
    joins=True,
    title="Requests that hold data of people are kept only for a declared purpose",
    why="Copies of requests are a data set that nobody consented to, and that is forgotten when somebody is deleted.",
    remedy=f"Set skywright:endpoint.capture_percent to 0, or say why in the tag {PURPOSE}: purpose and legal ground.",
)
def sensitive_data_capture(endpoint: Node) -> Finding | None:
    spec = endpoint.mapping("spec")
    percent = spec.number("capture_percent")
    return Finding(at=spec.at("capture_percent"), found=percent) if percent and _refused(endpoint) else None


def _refused(node: Node) -> bool:
    return is_sensitive(node.graph) and not has_purpose(node.graph)


def _endpoint(percent: Any) -> Resource:
    return declared("skywright:aws:ModelEndpoint", "endpoint", spec={"capture_percent": percent})


_WITH_PURPOSE = classified("health", capture_purpose="drift checks, contract with the patient")

sensitive_data_capture.examples(
    good=[
        [_endpoint(5)],
        [classified("internal"), _endpoint(5)],
        [classified(), _endpoint(0)],
        [_WITH_PURPOSE, _endpoint(5)],
    ],
    bad=[
        [classified(), _endpoint(5)],
        [classified("health"), _endpoint(0.1)],
        [classified(capture_purpose=" "), _endpoint(5)],
    ],
    unknown=[[classified(), _endpoint(UNKNOWN)]],
)


def _is_told_above(node: Node) -> bool:
    """Whether the platform's endpoint that it belongs to says itself that it captures."""
    component = node.component
    is_endpoint = component is not None and component.is_of("skywright:*:ModelEndpoint")
    return component is not None and is_endpoint and bool(mapping(component, "spec").get("capture_percent"))


def _judged(node: Node, captures: bool | None, at: str) -> Finding | None:
    return Finding(at=at, found=True) if captures and _refused(node) and not _is_told_above(node) else None


def _tables(kind: str, on: dict[str, Any], off: dict[str, Any], unknown: dict[str, Any]) -> dict[str, Any]:
    def one(given: dict[str, Any], **more: Any) -> Resource:
        return declared(kind, "it", **more, **given)

    return {
        "good": [
            [classified(), one(off)],
            [classified(), one({})],
            [one(on)],
            [_WITH_PURPOSE, one(on)],
            [classified(), _endpoint(5), one(on, parent="endpoint")],
        ],
        "bad": [[classified(), one(on)], [classified(), _endpoint(0), one(on, parent="endpoint")]],
        "unknown": [[classified(), one(unknown)]],
    }


_SAGEMAKER = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"


@sensitive_data_capture.also(_SAGEMAKER, joins=True)
def _sagemaker(configuration: Node) -> Finding | None:
    capture = mapping(configuration, "dataCaptureConfig")
    return _judged(configuration, flag(capture, "enableCapture"), capture.at("enableCapture"))


_sagemaker.examples(
    **_tables(
        _SAGEMAKER,
        {"dataCaptureConfig": {"enableCapture": True}},
        {"dataCaptureConfig": {"enableCapture": False}},
        {"dataCaptureConfig": {"enableCapture": UNKNOWN}},
    )
)

_VERTEX = "gcp:vertex/aiEndpoint:AiEndpoint"


@sensitive_data_capture.also(_VERTEX, joins=True)
def _vertex(endpoint: Node) -> Finding | None:
    config = mapping(endpoint, "predictRequestResponseLoggingConfig")
    return _judged(endpoint, flag(config, "enabled"), config.at("enabled"))


_vertex.examples(
    **_tables(
        _VERTEX,
        {"predictRequestResponseLoggingConfig": {"enabled": True}},
        {"predictRequestResponseLoggingConfig": {"enabled": False}},
        {"predictRequestResponseLoggingConfig": UNKNOWN},
    )
)

_AZURE = "azure-native:machinelearningservices:OnlineDeployment"


@sensitive_data_capture.also(_AZURE, joins=True)
def _azure(deployment: Node) -> Finding | None:
    collector = mapping(deployment, "properties", "dataCollector")
    collections = mapping(collector, "collections").mappings()
    captures = any((text(item, "dataCollectionMode") or "").lower() == "enabled" for _, item in collections)
    return _judged(deployment, captures, collector.at("collections"))


def _collected(mode: Any) -> dict[str, Any]:
    return {"properties": {"dataCollector": {"collections": {"model_inputs": {"dataCollectionMode": mode}}}}}


_azure.examples(**_tables(_AZURE, _collected("Enabled"), _collected("Disabled"), _collected(UNKNOWN)))


@sensitive_data_capture.also(INFERENCE, joins=True)
def _kserve(service: Node) -> Iterator[Finding]:
    """https://kserve.github.io/website/latest/modelserving/logger/logger/"""
    for role in ("predictor", "transformer", "explainer"):
        part = mapping(service, "spec", role)
        if finding := _judged(service, is_given(part, "logger"), part.at("logger")):
            yield finding


_kserve.examples(
    **_tables(
        INFERENCE.replace("*", "v1beta1"),
        {"spec": {"predictor": {"logger": {"mode": "all", "url": UNKNOWN}}}},
        {"spec": {"predictor": {"model": {}}}},
        {"spec": {"predictor": UNKNOWN}},
    )
)
