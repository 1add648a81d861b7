"""What a container makes of its platform's variables and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalog.errors import UserError
from ml_jobs.serve.environment import settings

RELEASE = {"model": "toy", "version": 3, "artifact_url": "s3://b/toy", "artifact_sha256": "0" * 64}
OURS = {"SKYWRIGHT_RELEASE": json.dumps(RELEASE), "SKYWRIGHT_RELEASE_NAME": "stable"}


@pytest.mark.parametrize(
    ("environ", "folder", "protocol", "port", "mounted"),
    [
        ({}, None, "open-inference-v2", 8080, None),
        ({"SKYWRIGHT_PORT": "9000"}, "mnt/models", "open-inference-v2", 9000, "mnt/models"),
        ({}, "opt/ml/model", "sagemaker", 8080, "opt/ml/model"),
        ({"SAGEMAKER_BIND_TO_PORT": "8081"}, "opt/ml/model", "sagemaker", 8081, "opt/ml/model"),
        ({"AIP_HTTP_PORT": "7080", "SKYWRIGHT_PORT": "1"}, None, "vertex", 7080, None),
        ({"AIP_HTTP_PORT": "7080", "AIP_STORAGE_URI": "gs://b/m"}, None, "vertex", 7080, "gs://b/m"),
        ({"AZUREML_MODEL_DIR": "/var/m", "SKYWRIGHT_PORT": "5001"}, None, "azureml", 5001, "/var/m"),
    ],
)
def test_the_platform_chooses_protocol_port_and_model(tmp_path: Path, environ, folder, protocol, port, mounted):
    if folder:
        (tmp_path / folder).mkdir(parents=True)
    found, listens = settings(OURS | environ, tmp_path)
    assert (found["protocol"], listens) == (protocol, port)
    assert found["mounted"] == (str(tmp_path / mounted) if folder else mounted)
    assert (found["release"], found["release_name"]) == (RELEASE, "stable")


def test_vertex_routes_and_further_settings_come_along(tmp_path):
    environ = OURS | {
        "AIP_HTTP_PORT": "8080", "AIP_HEALTH_ROUTE": "/h", "AIP_PREDICT_ROUTE": "/p",
        "SKYWRIGHT_SERVE": '{"max_rows": 7}',
    }  # fmt: skip
    found, _ = settings(environ, tmp_path)
    assert found["routes"] == {"ready": "/h", "predict": "/p"}
    assert found["max_rows"] == 7
    assert settings(OURS | {"SKYWRIGHT_SERVE": '{"protocol": "azureml"}'}, tmp_path)[0]["protocol"] == "azureml"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SKYWRIGHT_RELEASE": "{"}, "SKYWRIGHT_RELEASE is not JSON"),
        ({"SKYWRIGHT_RELEASE": "[]"}, "must be an object"),
        ({"SKYWRIGHT_SERVE": "x"}, "SKYWRIGHT_SERVE is not JSON"),
        ({"SKYWRIGHT_PORT": "http"}, "SKYWRIGHT_PORT is 'http'; allowed: 1 to 65535"),
        ({"AIP_HTTP_PORT": "0"}, "AIP_HTTP_PORT is '0'"),
    ],
)
def test_what_cant_be_read_is_one_line(tmp_path, environ, words):
    with pytest.raises(UserError, match=words.replace("[", r"\[")):
        settings(OURS | environ, tmp_path)


def test_no_release_is_one_line(tmp_path):
    with pytest.raises(UserError, match="SKYWRIGHT_RELEASE is not set"):
        settings({}, tmp_path)
