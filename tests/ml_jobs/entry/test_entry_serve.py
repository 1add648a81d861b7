"""`serve` as each platform starts and asks it: its variables and files in, its own routes out."""

from __future__ import annotations

import json
import signal

import pytest
from entry_stand import free_port

ROWS = [[1.0, 2.0], [0.5, 0.25]]
TOTALS = [6.0, 1.5]
OPEN_INFERENCE = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [2, 2], "data": ROWS}]}


def plain(container, port):
    release = container.model("store/artifact")
    container.env |= {"SKYWRIGHT_RELEASE": json.dumps(release), "PORT": str(port)}
    return "/v2/health/ready", "/v2/models/toy/versions/7/infer", OPEN_INFERENCE


def kserve(container, port):
    """The storage initializer has copied the artifact; Knative names the port."""
    release = container.model("mnt/models")
    container.env |= {"SKYWRIGHT_RELEASE": json.dumps(release | {"artifact_url": "s3://b/a"}), "PORT": str(port)}
    return "/v2/health/ready", "/v2/models/toy/infer", OPEN_INFERENCE


def sagemaker(container, port):
    release = container.model("opt/ml/model")
    container.env |= {
        "SKYWRIGHT_RELEASE": json.dumps(release | {"artifact_url": "s3://bucket/toy/1", "approval_ref": "s3://b#sha256=1"}),
        "SKYWRIGHT_REQUIRES_APPROVAL": "true",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SKYWRIGHT_PORT": "1",
    }  # fmt: skip
    return "/ping", "/invocations", OPEN_INFERENCE


def vertex(container, port):
    release = container.model("store/artifact")
    record = container.put("store/release.json", release)
    container.env |= {
        "AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": "/alive", "AIP_PREDICT_ROUTE": "/v1/endpoints/1:predict",
        "AIP_STORAGE_URI": (container.root / "store/artifact").as_uri(), "SKYWRIGHT_RELEASE": record.as_uri(),
    }  # fmt: skip
    return "/alive", "/v1/endpoints/1:predict", {"instances": ROWS}


def azureml(container, port):
    """The model's folder below its name and version, no record: what was deployed is what lies there."""
    container.model("var/azureml-app/azureml-models/toy/3/artifact")
    container.env |= {
        "AZUREML_MODEL_DIR": str(container.root / "var/azureml-app/azureml-models/toy/3"), "SKYWRIGHT_PORT": str(port)
    }  # fmt: skip
    return "/ready", "/score", OPEN_INFERENCE


@pytest.mark.parametrize("platform", [plain, kserve, sagemaker, vertex, azureml], ids=lambda known: known.__name__)
def test_a_platform_finds_its_health_and_its_predictions(container, platform):
    port = free_port()
    health, predict, question = platform(container, port)
    process = container.start("serve")
    assert container.asked("GET", port, health).status_code == 200, container.log
    answer = container.asked("POST", port, predict, json=question).json()
    if "predictions" in answer:
        totals = [row["total"] if isinstance(row, dict) else row for row in answer["predictions"]]
    else:
        totals = answer["outputs"][0]["data"]
    assert totals == TOTALS
    assert container.asked("GET", port, "/healthz").json()["platform"] == platform.__name__
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, container.log
    assert "Traceback" not in container.log


def test_bytes_that_the_record_does_not_name_are_never_served(container):
    port = free_port()
    release = container.model("opt/ml/model")
    container.model("opt/ml/model", tolerance=0.5)
    container.env |= {"SKYWRIGHT_RELEASE": json.dumps(release), "SAGEMAKER_BIND_TO_PORT": str(port)}
    container.start("serve")
    container.until(lambda: "is not ready" in container.log, "refusal")
    assert "the release says " + release["artifact_sha256"] in container.log


APPROVED = {"SKYWRIGHT_REQUIRES_APPROVAL": "true"}


@pytest.mark.parametrize(
    ("variables", "models", "told"),
    [
        ({}, (), "SKYWRIGHT_RELEASE is not set, and plain has brought no model"),
        ({}, ("mnt/models/a", "mnt/models/b"), "holds 2 models: a, b. Mount one model for each server"),
        ({"SKYWRIGHT_RELEASE": "{"}, (), "SKYWRIGHT_RELEASE holds no JSON"),
        ({"SKYWRIGHT_RELEASE": "file:///nowhere/release.json"}, (), "file:///nowhere/release.json, which is not there"),
        ({"SKYWRIGHT_RELEASE": '{"model": "toy"}'}, (), "SKYWRIGHT_RELEASE.version: Field required"),
        (APPROVED, ("mnt/models",), "this stack requires an approval"),
        ({**APPROVED, "SKYWRIGHT_RELEASE": "toy"}, (), "toy version 7 has no approval"),
        ({"SKYWRIGHT_RELEASE": "toy", "AIP_HTTP_PORT": "http"}, (), "AIP_HTTP_PORT is 'http'; allowed: 1 to 65535"),
        ({"SKYWRIGHT_RELEASE": "toy", "SKYWRIGHT_PLATFORM": "vertx"}, (), "Did you mean vertex?"),
        ({"SKYWRIGHT_RELEASE": "toy", "SKYWRIGHT_SERVE": "[]"}, (), "SKYWRIGHT_SERVE holds a JSON list"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(container, variables, models, told):
    toy = json.dumps(container.model("store/artifact"))
    for path in models:
        container.model(path)
    container.env |= {name: toy if value == "toy" else value for name, value in variables.items()}
    assert container.run("serve") in (1, 78)
    assert told in container.log.splitlines()[-1] and "Traceback" not in container.log
