"""A live `up` without packages or credentials ends in one line before the engine starts."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalog.errors import UserError
from infra import credentials
from infra.cli import up
from infra.engine import checks
from infra.engine.run import Engine
from infra.settings import load

REGION = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person who is logged in nowhere, on a machine that no cloud runs."""
    import os

    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "ARM_", "AZURE_", "KUBE", "CLOUDSDK_")):
            monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "NO_GCE_CHECK": "true", "PATH": "/usr/bin:/bin",
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def sts() -> Iterator[str]:
    """Refuses every caller as STS refuses an expired token."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = (
                b"<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token included in the request "
                b"is expired</Message></Error></ErrorResponse>"
            )
            self.send_response(403)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refused(cloud: str) -> str:
    place = {"skywright:cloud": cloud, **({"skywright:region": REGION[cloud]} if cloud in REGION else {})}
    with pytest.raises(UserError) as caught:
        credentials.need(load(place, stack="x"))
    assert "\n" not in str(caught.value) and caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        ("aws", "credentials for aws are missing or expired (none found). Log in: aws configure sso"),
        ("gcp", "Log in: gcloud auth application-default login."),
        ("azure", "credentials for azure: none, and no Azure CLI on PATH. Set ARM_CLIENT_ID, or install az."),
        ("kubernetes", "the kubeconfig gives no cluster"),
    ],
)
def test_nobody_is_logged_in(home: Path, cloud: str, said: str) -> None:
    assert said in refused(cloud)


def test_an_expired_token_of_aws_is_told(home: Path, sts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "CANARY")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts)
    said = refused("aws")
    assert "ExpiredToken" in said and "aws configure sso" in said and "CANARY" not in said


def test_an_expired_single_sign_on_of_aws_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config").write_text(
        "[profile work]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n"
        "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.com/start\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert "sso" in refused("aws").lower()


def test_a_profile_that_is_not_there_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "profile (nobody) could not be found" in refused("aws")


def test_a_cloud_out_of_reach_is_left_to_the_engine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    credentials.need(load({"skywright:cloud": "aws", "skywright:region": "us-east-1"}, stack="x"))


def test_a_key_file_of_google_that_is_wrong_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "key.json").write_text(json.dumps({"type": "nonsense"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "key.json"))
    assert "nonsense" in refused("gcp")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "none.json"))
    assert "GOOGLE_APPLICATION_CREDENTIALS names a file that is not there" in refused("gcp")


def test_an_expired_login_of_azure_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = home / "az"
    program.write_text("#!/bin/sh\necho 'ERROR: AADSTS700082: The refresh token has expired' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")
    said = refused("azure")
    assert "AADSTS700082: The refresh token has expired" in said and "Log in: az login." in said
    program.write_text("#!/bin/sh\nexit 0\n")
    credentials.need(load({"skywright:cloud": "azure", "skywright:region": "eastus"}, stack="x"))
    monkeypatch.setenv("ARM_CLIENT_ID", "1")
    assert "a client id without its proof; allowed: one of ARM_CLIENT_SECRET" in refused("azure")


@pytest.mark.parametrize("cloud", checks.CLOUDS)
def test_missing_extras_say_what_to_install(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = dataclasses.replace(checks.CLOUDS[cloud], packages=("json", "no_such.package", "absent_one"))
    monkeypatch.setitem(checks.CLOUDS, cloud, lacking)
    said = refused(cloud)
    assert f"cloud {cloud} needs Python packages that are not installed: no_such.package, absent_one." in said
    assert f"pip install -e '.[infra,{lacking.extras}]'" in said


def test_up_ends_before_the_engine_begins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    def never(*args: object, **named: object) -> None:
        raise AssertionError("the engine was started")

    monkeypatch.setattr(Engine, "__init__", never)
    app = typer.Typer()
    up.register(app)
    result = CliRunner().invoke(app, ["up", "--stack", "aws-dev"])
    assert isinstance(result.exception, UserError) and "credentials for aws" in str(result.exception)
