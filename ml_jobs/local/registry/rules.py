"""Who may call what: MLflow's paths and ours. What is not named here is refused, MLflow's other features included."""

from __future__ import annotations

from ml_jobs.identity import ANYBODY, Role
from ml_jobs.local.access import Rule

WRITERS = frozenset({Role.TRAINER, Role.ADMIN})
ADMIN = frozenset({Role.ADMIN})
APPROVER = frozenset({Role.APPROVER})
NOBODY: frozenset[Role] = frozenset()

_ML = r"/(?:ajax-)?api/[23]\.0/mlflow/"
_FILES = r"/(?:ajax-)?api/2\.0/mlflow-artifacts/"
_KEPT = (
    r"(?:registered-models/(?:rename|delete)"
    r"|model-versions/(?:create|delete|update|transition-stage|set-tag|delete-tag))"
)
_READ_BY_POST = r"(?:experiments|runs|logged-models|datasets|traces)/search|registered-models/get-latest-versions"

RULES: tuple[Rule, ...] = (
    ("GET", r"/healthz", None),
    ("GET", r"/metrics|/health|/version", ANYBODY),
    # ours
    ("GET", r"/api/skywright/models", ANYBODY),
    ("GET", r"/api/skywright/models/[^/]+/versions/[^/]+", ANYBODY),
    ("POST", r"/api/skywright/models/[^/]+/versions", WRITERS),
    ("GET", r"/api/skywright/approvals/[^/]+", ANYBODY),
    ("POST", r"/api/skywright/approvals", APPROVER),
    ("POST", r"/api/skywright/verify", ANYBODY),
    # versions and what is said of them change by the routes above alone
    ("*", _ML + _KEPT, NOBODY),
    # MLflow: whoever has a token reads
    (
        "GET",
        _ML + r"(?:experiments|runs|metrics|registered-models|model-versions|artifacts|logged-models|datasets)/.*",
        ANYBODY,
    ),
    ("GET", _ML + r"server-info", ANYBODY),
    ("POST", _ML + f"(?:{_READ_BY_POST})", ANYBODY),
    ("GET", _FILES + r"artifacts(?:/.*)?", ANYBODY),
    ("GET", r"/get-artifact", ANYBODY),
    # jobs write runs
    ("POST", _ML + r"experiments/(?:create|set-experiment-tag)", WRITERS),
    (
        "POST",
        _ML + r"runs/(?:create|update|log-batch|log-metric|log-parameter|log-inputs|log-model|outputs|set-tag)",
        WRITERS,
    ),
    ("POST", _ML + r"registered-models/(?:create|set-tag)", WRITERS),
    ("PATCH", _ML + r"registered-models/update", WRITERS),
    ("POST|PATCH", _ML + r"logged-models(?:/[^/]+(?:/params|/tags)?)?", WRITERS),
    ("PUT", _FILES + r"artifacts/.+", WRITERS),
    # an admin takes away
    ("POST", _ML + r"(?:experiments|runs)/(?:delete|restore|delete-tag|delete-experiment-tag)", ADMIN),
    ("POST", _ML + r"experiments/update", ADMIN),
    ("POST|DELETE", _ML + r"registered-models/(?:alias|delete-tag)", ADMIN),
    ("DELETE", _ML + r"logged-models/.+", ADMIN),
    ("DELETE", _FILES + r"artifacts/.+", ADMIN),
)
