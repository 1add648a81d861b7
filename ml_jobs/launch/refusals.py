"""What the clouds' SDKs raise, as one line with its kind and what to do about it.

An error is known by its class, its code and its words; the first row of RULES that matches says the kind. The same
table reads the reason that a platform gives for a job that failed after it was taken.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from catalog.errors import UserError
from ml_jobs.launch.base import LaunchError

TITLES = {"aws": "SageMaker", "gcp": "Vertex AI", "azure": "Azure ML"}
LENGTH = 400
"""Of the platform's own words, as far as they are repeated."""

_SDKS = frozenset({
    "adlfs", "aiobotocore", "aiohttp", "azure", "boto3", "botocore", "gcsfs", "google", "httpx", "msal", "requests",
    "s3transfer", "urllib3",
})  # fmt: skip

UNREACHABLE = (
    r"Connection\w*Error|ConnectTimeout|ReadTimeout|ServiceRe(quest|sponse)(Timeout)?Error|TransportError|RetryError|"
    r"ServiceUnavailable|InternalFailure|InternalServer|BadGateway|GatewayTimeout|DeadlineExceeded|ProxyError|SSLError|"
    r"HTTPClientError|ClientConnectorError|Bad ?Gateway"
)

RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "aws": (
        ("credentials", r"NoCredentials|PartialCredentials|CredentialRetrieval|TokenRetrieval|SSOToken|ProfileNotFound|"
                        r"UnrecognizedClient|InvalidClientTokenId|ExpiredToken|SignatureDoesNotMatch|InvalidSignature|"
                        r"IncompleteSignature|MissingAuthenticationToken|InvalidAccessKeyId"),
        ("capacity", r"CapacityError|InsufficientInstanceCapacity|Insufficient capacity|Unable to provision"),
        ("quota", r"ResourceLimitExceeded|LimitExceeded|service limit|quota|Throttling|TooManyRequests"),
        ("image", r"(?i:repositor|(?<!EC2 )image\b|manifest)"),
        ("permission", r"AccessDenied|(?i:unauthorized|not authorized|assume (the )?role)|PermissionError|Forbidden"),
        ("data", r"NoSuchBucket|NoSuchKey|(?i:s3 (object|uri|prefix|data)|bucket)"),
        ("unreachable", UNREACHABLE),
        ("request", r""),
    ),
    "gcp": (
        ("credentials", r"DefaultCredentials|RefreshError|Unauthenticated|Unauthorized|UNAUTHENTICATED|invalid_grant"),
        ("capacity", r"(?i:stock.?out|out of stock|enough resources|insufficient (capacity|resources)|preempted)"),
        ("quota", r"ResourceExhausted|TooManyRequests|(?i:quota)"),
        ("image", r"(?i:artifact ?registry|\bimage\b|manifest)"),
        ("permission", r"PermissionDenied|Forbidden|PermissionError|PERMISSION_DENIED|(?i:permission)"),
        ("data", r"(?i:bucket|gs://|\bobject\b)"),
        ("unreachable", UNREACHABLE),
        ("request", r""),
    ),
    "azure": (
        ("credentials", r"ClientAuthentication|CredentialUnavailable|AuthenticationToken|AuthenticationFailed|AADSTS"),
        ("capacity", r"AllocationFailed|OverconstrainedAlloc|SkuNotAvailable|(?i:insufficient capacity|preempted)"),
        ("quota", r"QuotaExceeded|QuotaReached|TooManyRequests|(?i:quota)"),
        ("image", r"(?i:\bimage\b|ImageBuild|ImagePull|container registry|manifest)"),
        ("permission", r"AuthorizationFailed|AuthorizationPermissionMismatch|LinkedAuthorization|Forbidden|"
                       r"PermissionError|(?i:does not have authorization)"),
        ("data", r"ContainerNotFound|BlobNotFound|DataAccess|StreamAccess|(?i:datastore|storage account)"),
        ("unreachable", UNREACHABLE),
        ("request", r""),
    ),
}  # fmt: skip
"""Cloud -> (kind, pattern over `class code: words`), the first match wins.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/CommonErrors.html
https://cloud.google.com/apis/design/errors#handling_errors
https://learn.microsoft.com/rest/api/azureml/jobs/create-or-update
"""

LOGINS = {
    "aws": "Log in: aws sso login, or set AWS_PROFILE.",
    "gcp": "Log in: gcloud auth application-default login.",
    "azure": "Log in: az login.",
}
QUOTAS = {
    "aws": "Raise it in Service Quotas, under Amazon SageMaker: spot training has limits of its own.",
    "gcp": "Raise it in the console under IAM & Admin, Quotas, for aiplatform.googleapis.com: preemptible GPUs have "
    "quotas of their own.",
    "azure": "Raise it in Azure ML studio under Quota: low-priority cores have a limit of their own.",
}
REMEDIES = {
    "permission": "Act as the stack's pipeline identity; a spent budget forbids it too: skywright budget status.",
    "capacity": "Try again later, or let it run elsewhere: --capacity on_demand_only, or another pool.",
    "image": "Push it, and let the training identity pull it: skywright image push.",
    "data": "Look at the job's inputs and the stack's storage: does it exist, may the training identity read it?",
    "request": "The job or the stack's contract holds a value that the service does not take.",
    "unreachable": "Look at the network and at the service's status page, then try again.",
}


def kind_of(cloud: str, text: str) -> str:
    return next(kind for kind, pattern in RULES[cloud] if re.search(pattern, text))


def remedy_of(cloud: str, kind: str) -> str:
    return {"credentials": LOGINS[cloud], "quota": QUOTAS[cloud]}.get(kind) or REMEDIES[kind]


def explained(cloud: str, reason: str) -> str:
    """Why a job failed, in the platform's words, and what to do where these say that the job itself is not to blame."""
    said = _line(reason)
    kind = kind_of(cloud, reason) if said else "request"
    return said if kind in ("request", "unreachable") else f"{said.rstrip('.')}. {remedy_of(cloud, kind)}"


def refusal(cloud: str, error: BaseException) -> LaunchError | None:
    """The error of an SDK, wherever it stands in the chain of causes, as ours; None for any other error."""
    found = next((item for item in _chain(error) if _is_known(item)), None)
    if found is None:
        return None
    code, words = _told(found)
    name = type(found).__name__
    kind = kind_of(cloud, f"{name} {code}: {words}")
    said = _line(words)
    why = {
        "credentials": f"credentials for {cloud} are missing or expired ({said})",
        "unreachable": f"{TITLES[cloud]} can't be reached ({code or name}: {said})",
    }.get(kind, f"{TITLES[cloud]} refused ({code or name}): {said}")
    return LaunchError(kind, why, remedy_of(cloud, kind))


@contextlib.contextmanager
def told(cloud: str) -> Iterator[None]:
    """Raises what an SDK raises inside as LaunchError; for an SDK that is not installed, UserError."""
    try:
        yield
    except (LaunchError, UserError):
        raise
    except ModuleNotFoundError as error:
        raise UserError(
            f"jobs on {cloud} need the package {error.name}, which is not installed",
            f"Install it: pip install 'skywright[{cloud}]'",
        ) from None
    except Exception as error:
        found = refusal(cloud, error)
        if found is None:
            raise
        raise found from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_known(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _SDKS or isinstance(error, PermissionError)


def _told(error: BaseException) -> tuple[str, str]:
    """The service's code and its words."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):  # botocore
        about = answer.get("Error", {})
        return str(about.get("Code", "")), str(about.get("Message", ""))
    inner = getattr(error, "error", None)  # azure.core
    code = getattr(inner, "code", None) or getattr(error, "reason", None) or ""
    words = getattr(inner, "message", None) or getattr(error, "message", None) or str(error)
    return str(code) if isinstance(code, str) else "", str(words)


def _line(words: str) -> str:
    said = " ".join(words.split())
    return said if len(said) <= LENGTH else f"{said[:LENGTH]}..."
