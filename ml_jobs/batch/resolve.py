"""Which version of a model a batch is scored with."""

from __future__ import annotations

from catalog.errors import UserError, did_you_mean
from ml_jobs.contract import Release, StackContract
from ml_jobs.runtime.registration import has_registry


def released(stack: StackContract, model: str, version: int | None = None) -> Release | None:
    """The stack's release of `model` (of that version): the one with the largest weight; None when it has none."""
    found = [
        release
        for endpoint in stack.endpoints.values()
        for release in endpoint.releases.values()
        if release.model == model and version in (None, release.version)
    ]
    return max(found, key=lambda release: (release.weight_percent, release.version), default=None)


def resolve(stack: StackContract, model: str, version: int | None = None) -> Release:
    """The version asked for; without one, what the stack's endpoints serve, else the newest that a job has made.

    Raises UserError with what there is.
    """
    if (served := released(stack, model, version)) is not None:
        return served
    if not has_registry(stack):
        from ml_jobs.registry.recorded import Recorded

        found = Recorded(stack).record(model, version)
        return Release(**{key: found[key] for key in ("model", "version", "artifact_url", "artifact_sha256")})
    from ml_jobs.identity import read_token
    from ml_jobs.registry.client import Registry

    registry = Registry(stack.registry.tracking_url, read_token(stack.identities.viewer or stack.identities.training))
    try:
        if version is None:
            versions = registry.versions(model)
            if not versions:
                known = [entry["name"] for entry in registry.models()]
                raise UserError(
                    f"there is no model {model!r}; there are: {', '.join(known) or 'none'}", did_you_mean(model, known)
                )
            version = int(versions[-1]["version"])
        return Release.read(registry.release(model, version), where=f"{model} {version}")
    finally:
        registry.close()
