"""Whether a Kubernetes cluster answers and lets us create things: asked before anything is declared on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.errors import UserError

TIMEOUT_S = 5.0
NEEDED = (("", "namespaces"), ("rbac.authorization.k8s.io", "clusterroles"), ("apps", "deployments"))
"""(group, kind) of what a platform can't do without; who may create these may create the rest."""


def need_writable(kubeconfig: Mapping[str, Any] | Path | None = None, context: str | None = None) -> None:
    """Raises UserError, in one line with the context and the remedy, where the cluster can't be reached or written.

    `kubeconfig`: its content, a file, or None for the user's own (KUBECONFIG, else ~/.kube/config).
    """
    from kubernetes import client, config

    try:
        if isinstance(kubeconfig, Mapping):
            connection = config.new_client_from_config_dict(dict(kubeconfig), context=context)
        else:
            file = str(kubeconfig) if kubeconfig else None
            connection = config.new_client_from_config(config_file=file, context=context)
    except (config.ConfigException, OSError) as error:
        raise UserError(
            f"the kubeconfig gives no cluster for context {context or 'that is current'!r} ({_short(error)})",
            "Set KUBECONFIG to the right file, and skywright:kubernetes.context to one that `kubectl config` lists.",
        ) from None
    where = f"the cluster of context {context or 'that is current'!r} ({connection.configuration.host})"
    with connection:
        connection.configuration.retries = False
        review = client.AuthorizationV1Api(connection)
        for group, plural in NEEDED:
            asked = client.V1SelfSubjectAccessReview(
                spec=client.V1SelfSubjectAccessReviewSpec(
                    resource_attributes=client.V1ResourceAttributes(group=group, resource=plural, verb="create")
                )
            )
            try:
                answer = review.create_self_subject_access_review(asked, _request_timeout=TIMEOUT_S)
            except client.ApiException as error:
                raise UserError(
                    f"{where} refuses our credentials ({error.status} {error.reason})",
                    "Log in to it again, or choose another context: skywright:kubernetes.context.",
                ) from None
            except Exception as error:  # urllib3's, ssl's and the credential plugins' own
                raise UserError(
                    f"{where} does not answer ({_short(error)})",
                    "Start it or open the way to it (VPN, proxy, allowed addresses), or choose another context: "
                    "skywright:kubernetes.context.",
                ) from None
            if not answer.status.allowed:
                raise UserError(
                    f"{where} can only be read: creating {plural} is not allowed",
                    "Use credentials that may create namespaces, roles and workloads (ClusterRole cluster-admin).",
                )


def _short(error: BaseException) -> str:
    """The innermost reason: clients wrap it several times."""
    while (reason := getattr(error, "reason", None)) is not None and isinstance(reason, BaseException):
        error = reason
    return (str(error).split(": ", 1)[-1].strip().splitlines() or [type(error).__name__])[0]
