"""What each SDK raises, as one line: its kind, the platform's own words, the remedy."""

from __future__ import annotations

from typing import Any

import botocore.exceptions as aws
import pytest
from azure.core import exceptions as azure
from google.auth import exceptions as google
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import UserError
from ml_jobs.launch.base import LaunchError
from ml_jobs.launch.managed import exit_code, is_of
from ml_jobs.launch.refusals import RULES, TITLES, explained, kind_of, refusal, remedy_of, told
from ml_jobs.runtime.storage import StorageError

KINDS = {"quota", "permission", "capacity", "image", "data", "credentials", "request", "unreachable"}


def client_error(code: str, message: str) -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": message}}, "CreateTrainingJob")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aws.NoCredentialsError(), "credentials"),
        (aws.ProfileNotFound(profile="prod"), "credentials"),
        (aws.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"), "credentials"),
        (client_error("ExpiredTokenException", "The security token included in the request is expired"), "credentials"),
        (client_error("UnrecognizedClientException", "The security token is invalid"), "credentials"),
        (client_error("ResourceLimitExceeded", "The account-level service limit 'ml.g5.xlarge for spot training job "
                      "usage' is 0 Instances. Please use AWS Service Quotas"), "quota"),
        (client_error("ThrottlingException", "Rate exceeded"), "quota"),
        (client_error("AccessDeniedException", "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: "
                      "sagemaker:CreateTrainingJob with an explicit deny in an identity-based policy"), "permission"),
        (client_error("ValidationException", "Could not assume role arn:aws:iam::1:role/training."), "permission"),
        (client_error("ValidationException", "Cannot find repository: skywright in registry ID: 1"), "image"),
        (client_error("ValidationException", "Requested image 1.dkr.ecr.eu-west-1.amazonaws.com/x not found"), "image"),
        (client_error("CapacityError", "Unable to provision requested ML compute capacity"), "capacity"),
        (client_error("NoSuchBucket", "The specified bucket does not exist"), "data"),
        (client_error("ValidationException", "1 validation error detected: Value 'ml.x' at 'instanceType'"), "request"),
        (client_error("InternalFailure", ""), "unreachable"),
        (aws.EndpointConnectionError(endpoint_url="https://api.sagemaker.eu-west-1.amazonaws.com"), "unreachable"),
        (aws.ParamValidationError(report="Missing required parameter in input"), "request"),
    ],
)  # fmt: skip
def test_botocore(error: Exception, kind: str) -> None:
    _is_one_line("aws", error, kind)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (google.DefaultCredentialsError("Your default credentials were not found."), "credentials"),
        (google.RefreshError("invalid_grant: Token has been expired or revoked."), "credentials"),
        (google.TransportError("HTTPSConnectionPool(host='oauth2.googleapis.com')"), "unreachable"),
    ],
)
def test_google_auth(error: Exception, kind: str) -> None:
    """What Vertex itself answers is tried in test_vertex: its exceptions can't be loaded beside Pulumi's SDK."""
    _is_one_line("gcp", error, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Unauthorized : 401 Request had invalid authentication credentials", "credentials"),
        ("ResourceExhausted : Quota exceeded for aiplatform.googleapis.com", "quota"),
        ("Forbidden : 403 Permission 'iam.serviceaccounts.actAs' denied", "permission"),
        ("ServiceUnavailable : 503 The service is currently unavailable", "unreachable"),
        ('BadRequest : 400 Machine type "n9" is not supported', "request"),
    ],
)
def test_vertex(text: str, kind: str) -> None:
    assert kind_of("gcp", text) == kind


def http_error(status: int, code: str, message: str) -> azure.HttpResponseError:
    class Answer:
        status_code, reason, headers = status, "Refused", {"content-type": "application/json"}

        def body(self) -> bytes:
            return f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'.encode()

        def text(self, encoding: str | None = None) -> str:
            return self.body().decode()

    return azure.HttpResponseError(response=Answer())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (azure.ClientAuthenticationError("DefaultAzureCredential failed.\nAttempted:"), "credentials"),
        (http_error(401, "ExpiredAuthenticationToken", "The access token expired"), "credentials"),
        (http_error(403, "AuthorizationFailed", "The client does not have authorization"), "permission"),
        (http_error(400, "QuotaExceeded", "Not enough cores"), "quota"),
        (http_error(409, "SkuNotAvailable", "The requested size is not available"), "capacity"),
        (http_error(400, "UserError", "Failed to pull the image"), "image"),
        (http_error(404, "ContainerNotFound", "The specified container does not exist"), "data"),
        (http_error(400, "ValidationError", "instanceCount must be positive"), "request"),
        (azure.ServiceRequestError("Failed to resolve 'management.azure.com'"), "unreachable"),
        (azure.ServiceResponseTimeoutError("timed out"), "unreachable"),
    ],
)  # fmt: skip
def test_azure_core(error: Exception, kind: str) -> None:
    _is_one_line("azure", error, kind)


def test_azure_says_it_once() -> None:
    """Its errors carry their code and words twice over."""
    found = refusal("azure", http_error(400, "ValidationError", "instanceCount must be positive"))
    assert found is not None and found.what == "Azure ML refused (ValidationError): instanceCount must be positive"


def _is_one_line(cloud: str, error: Exception, kind: str) -> None:
    found = refusal(cloud, error)
    assert found is not None and found.kind == kind
    assert "\n" not in str(found) and found.remedy == remedy_of(cloud, kind)
    with pytest.raises(LaunchError) as raised, told(cloud):
        raise error
    assert str(raised.value) == str(found)


@pytest.mark.parametrize("cloud", sorted(RULES))
@given(text=st.text())
def test_whatever_is_said_has_a_kind_and_a_remedy(cloud: str, text: str) -> None:
    kind = kind_of(cloud, text)
    assert kind in KINDS and remedy_of(cloud, kind)
    assert "\n" not in explained(cloud, text)


def test_every_cloud_knows_every_kind() -> None:
    for cloud, rules in RULES.items():
        assert {kind for kind, _ in rules} == KINDS and cloud in TITLES


def test_a_long_answer_is_cut() -> None:
    assert len(explained("aws", "x" * 9999)) < 500


def test_a_store_that_refuses_is_told_by_what_stands_behind_it() -> None:
    def fails() -> None:
        try:
            raise aws.NoCredentialsError
        except aws.NoCredentialsError:
            raise StorageError("s3://b/job.json can't be written: Unable to locate credentials") from None

    with pytest.raises(LaunchError, match="credentials for aws are missing") as refused, told("aws"):
        fails()
    assert refused.value.kind == "credentials"
    with pytest.raises(LaunchError) as refused, told("aws"):
        try:
            raise PermissionError(13, "Access Denied")
        except PermissionError as error:
            raise StorageError("s3://b/job.json can't be written: Access Denied") from error
    assert refused.value.kind == "permission"


@pytest.mark.parametrize(
    "error", [StorageError("file:///x can't be written: No space left"), ZeroDivisionError("ours")]
)
def test_what_no_sdk_raised_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, told("aws"):
        raise error
    assert raised.value is error


def test_an_sdk_that_is_not_installed() -> None:
    with (
        pytest.raises(
            UserError, match=r"need the package boto9, which is not installed.*pip install 'skywright\[aws\]'"
        ),
        told("aws"),
    ):
        __import__("boto9")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("AlgorithmError: , exit code: 78", 78),
        ("AlgorithmError: framework error: x\nValueError, exit code: 1", 1),
        ("The replica workerpool0-0 exited with a non-zero status of 75. To find out more", 75),
        ("Execution failed. User process '/bin/bash' exited with status code 137.", 137),
        ("Process exited with exit code 2", 2),
        ("CapacityError: Unable to provision", None),
        ("", None),
    ],
)
def test_exit_codes_out_of_the_platforms_words(reason: str, code: int | None) -> None:
    assert exit_code(reason) == code


@pytest.mark.parametrize(
    ("line", "of"),
    [
        ("plain", {0, 1}),
        ('{"rank": 1, "m": "x"}', {1}),
        ('{"m": "x"}', {0, 1}),
        ("{broken", {0, 1}),
        ("", {0, 1}),
    ],
)
def test_whose_line_it_is(line: str, of: set[int]) -> None:
    assert {rank for rank in (0, 1) if is_of(line, rank)} == of


def test_the_words_of_a_kind_never_name_another_clouds_tool() -> None:
    words: dict[str, Any] = {"aws": ("gcloud", "az "), "gcp": ("aws ", "az "), "azure": ("aws ", "gcloud")}
    for cloud, others in words.items():
        assert not any(other in remedy_of(cloud, kind) for kind in KINDS for other in others)
