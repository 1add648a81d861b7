"""Where what runs comes from: images, and the charts that bring more of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.graph import Node
from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping, records, text
from policies.rules.pods import WORKLOADS, pods_of

DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
PINNED = re.compile(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")
"""A whole version: a range, or a part of one, takes whatever comes out next."""
SHA256 = "sha256:" + "a" * 64


def _by_digest(holder: Props, key: str) -> Finding | None:
    image = text(holder, key)
    return None if image and DIGEST.fullmatch(image) else Finding(at=holder.at(key), found=image)


@rule(
    "images-by-digest",
    Severity.HIGH,
    types=WORKLOADS,
    title="A container's image is named by its digest",
    why="A tag can be moved: then other code runs than the one that was reviewed, and nothing here changed.",
    remedy="Name the image as repository@sha256:<digest>.",
)
def images_by_digest(workload: Node) -> Iterator[Finding]:
    for pod in pods_of(workload):
        for container in pod.containers:
            if container.get("modelFormat") is not None and container.get("image") is None:
                continue  # KServe takes the image of a runtime, which is judged itself
            if finding := _by_digest(container, "image"):
                yield finding


def _pod(image: object) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "c", "image": image}]}}


images_by_digest.examples(
    good=[_pod(f"registry.example.com/team/server@{SHA256}"), _pod(f"registry.example.com:5000/s:1.2@{SHA256}")],
    bad=[_pod("python:3.12"), _pod("server@sha256:12"), _pod(None), _pod(f"a b@{SHA256}")],
    unknown=[_pod(UNKNOWN), {"spec": UNKNOWN}],
)


@images_by_digest.also("aws:sagemaker/model:Model")
def sagemaker_images(model: Node) -> Iterator[Finding]:
    holders = [mapping(model, "primaryContainer")] if model.get("primaryContainer") is not None else []
    for container in [*holders, *records(model, "containers")]:
        if container.get("modelPackageName") is None and (finding := _by_digest(container, "image")):
            yield finding


sagemaker_images.examples(
    good=[
        {"primaryContainer": {"image": f"1.dkr.ecr.eu-west-1.amazonaws.com/s@{SHA256}"}},
        {"containers": [{"image": f"s@{SHA256}"}, {"modelPackageName": "m/1"}]},
    ],
    bad=[{"primaryContainer": {"image": "s:latest"}}, {"containers": [{"image": f"s@{SHA256}"}, {}]}],
    unknown=[{"primaryContainer": {"image": UNKNOWN}}, {"containers": UNKNOWN}],
)


@images_by_digest.also("aws:lambda/function:Function")
def function_image(function: Node) -> Finding | None:
    return _by_digest(function, "imageUri") if function.get("imageUri") is not None else None


function_image.examples(
    good=[{"imageUri": f"1.dkr.ecr.eu-west-1.amazonaws.com/f@{SHA256}"}, {"runtime": "python3.13"}],
    bad=[{"imageUri": "f:1"}],
    unknown=[{"imageUri": UNKNOWN}],
)


@images_by_digest.also(
    "azure-native:app:*Job", "azure-native:app:ContainerApp", "gcp:cloudrunv2/*:Service", "gcp:cloudrunv2/*:Job"
)
def serverless_images(service: Node) -> Iterator[Finding]:
    template = service.mapping("template")
    nested = mapping(template, "template") if template.get("template") is not None else template
    for container in [*nested.records("containers"), *records(nested, "initContainers")]:
        if finding := _by_digest(container, "image"):
            yield finding


serverless_images.examples(
    good=[
        {"template": {"containers": [{"image": f"s@{SHA256}"}]}},
        {"template": {"template": {"containers": [{"image": f"s@{SHA256}"}]}}},
    ],
    bad=[
        {"template": {"containers": [{"image": "s:1"}]}},
        {"template": {"containers": [{"image": f"s@{SHA256}"}], "initContainers": [{"image": "i"}]}},
        {"template": {"template": {"containers": [{}]}}},
    ],
    unknown=[{"template": {"containers": [{"image": UNKNOWN}]}}, {"template": UNKNOWN}],
)


@images_by_digest.also("azure-native:machinelearningservices:EnvironmentVersion")
def azure_ml_image(environment: Node) -> Finding | None:
    return _by_digest(environment.mapping("properties"), "image")


azure_ml_image.examples(
    good=[{"properties": {"image": f"r.azurecr.io/s@{SHA256}"}}],
    bad=[{"properties": {"image": "r.azurecr.io/s:1"}}, {"properties": {"condaFile": "x"}}],
    unknown=[{"properties": {"image": UNKNOWN}}],
)


@images_by_digest.also("pulumi-python:dynamic/gcp:VertexDeployments")
def vertex_images(deployments: Node) -> Iterator[Finding]:
    images = deployments.mapping("images")
    for name, _ in deployments.mapping("releases").mappings():
        if finding := _by_digest(images, name):
            yield finding


vertex_images.examples(
    good=[{"releases": {"a": {}}, "images": {"a": f"s@{SHA256}"}}, {"releases": {}, "images": {}}],
    bad=[{"releases": {"a": {}}, "images": {"a": "s:1"}}, {"releases": {"a": {}}, "images": {}}],
    unknown=[{"releases": {"a": {}}, "images": {"a": UNKNOWN}}, {"releases": {}, "images": UNKNOWN}],
)


@rule(
    "images-scanned",
    Severity.MEDIUM,
    types=("aws:ecr/repository:Repository",),
    title="Images are scanned for known vulnerabilities when they are pushed",
    why="What is known to be open is found by others first.",
    remedy="Turn scanning on: scanOnPush on AWS, vulnerabilityScanningConfig INHERITED on Google Cloud.",
)
def images_scanned(repository: Node) -> Finding | None:
    """Azure has no such switch at a registry: Defender for Containers belongs to the subscription."""
    scan = mapping(repository, "imageScanningConfiguration")
    return None if flag(scan, "scanOnPush") else Finding(at=scan.at("scanOnPush"), found=scan.get("scanOnPush"))


images_scanned.examples(
    good=[{"imageScanningConfiguration": {"scanOnPush": True}}],
    bad=[{}, {"imageScanningConfiguration": {"scanOnPush": False}}],
    unknown=[{"imageScanningConfiguration": {"scanOnPush": UNKNOWN}}, {"imageScanningConfiguration": UNKNOWN}],
)

ARTIFACTS = "gcp:artifactregistry/repository:Repository"


@images_scanned.also(ARTIFACTS)
def artifacts_scanned(repository: Node) -> Finding | None:
    if text(repository, "format") != "DOCKER":
        return None
    scan = mapping(repository, "vulnerabilityScanningConfig")
    mode = text(scan, "enablementConfig")
    return None if mode == "INHERITED" else Finding(at=scan.at("enablementConfig"), found=mode)


_INHERITED = {"enablementConfig": "INHERITED"}
artifacts_scanned.examples(
    good=[{"format": "DOCKER", "vulnerabilityScanningConfig": _INHERITED}, {"format": "PYTHON"}],
    bad=[{"format": "DOCKER"}, {"format": "DOCKER", "vulnerabilityScanningConfig": {"enablementConfig": "DISABLED"}}],
    unknown=[{"format": "DOCKER", "vulnerabilityScanningConfig": UNKNOWN}, {"format": UNKNOWN}],
)


@rule(
    "image-tags-immutable",
    Severity.HIGH,
    types=("aws:ecr/repository:Repository",),
    title="Image tags can't be moved",
    why="A moved tag makes a rollback serve other code than the one that was approved.",
    remedy="Set imageTagMutability to IMMUTABLE on AWS, dockerConfig.immutableTags on Google Cloud.",
)
def image_tags_immutable(repository: Node) -> Finding | None:
    """Azure locks single images, not a registry: nothing that could be declared."""
    value = text(repository, "imageTagMutability")
    return None if value == "IMMUTABLE" else Finding(at="imageTagMutability", found=value)


image_tags_immutable.examples(
    good=[{"imageTagMutability": "IMMUTABLE"}],
    bad=[{}, {"imageTagMutability": "MUTABLE"}],
    unknown=[{"imageTagMutability": UNKNOWN}],
)


@image_tags_immutable.also(ARTIFACTS)
def artifact_tags_immutable(repository: Node) -> Finding | None:
    if text(repository, "format") != "DOCKER":
        return None
    docker = mapping(repository, "dockerConfig")
    value = flag(docker, "immutableTags")
    return None if value else Finding(at=docker.at("immutableTags"), found=value)


artifact_tags_immutable.examples(
    good=[{"format": "DOCKER", "dockerConfig": {"immutableTags": True}}, {"format": "MAVEN"}],
    bad=[{"format": "DOCKER"}, {"format": "DOCKER", "dockerConfig": {"immutableTags": False}}],
    unknown=[{"format": "DOCKER", "dockerConfig": UNKNOWN}, {"format": UNKNOWN}],
)


@rule(
    "charts-pinned",
    Severity.MEDIUM,
    types=("kubernetes:helm.sh/*",),
    title="A chart is named by its whole version",
    why="A chart without one is another chart on the day that somebody updates the stack.",
    remedy="Set version to a whole version, such as 1.15.0.",
)
def charts_pinned(release: Node) -> Finding | None:
    chart = text(release, "chart") or ""
    if chart.startswith((".", "/")) or "@sha256:" in chart:
        return None
    version = text(release, "version")
    return None if version and PINNED.fullmatch(version) else Finding(at="version", found=version)


def _charts(*versions: object) -> list[dict[str, Any]]:
    return [{"chart": "kueue", "version": version} for version in versions]


charts_pinned.examples(
    good=[*_charts("0.14.0", "v0.15.2-rc1"), {"chart": "./charts/own"}, {"chart": f"oci://r.example.com/c@{SHA256}"}],
    bad=[{"chart": "kueue"}, *_charts("", "^1.2.3", "1.x", ">1.0.0", "1.2", "latest")],
    unknown=[*_charts(UNKNOWN), {"chart": UNKNOWN, "version": "1.0.0"}],
)
