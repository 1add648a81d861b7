"""The platforms' own routes, beside the Open Inference Protocol's, which every server has.

SageMaker: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
Vertex AI: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
Azure ML: https://learn.microsoft.com/azure/machine-learning/how-to-deploy-custom-container
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from catalog.errors import mistake

OPEN_INFERENCE = "open-inference-v2"


@dataclass(frozen=True)
class Dialect:
    """A platform's routes: `live` and `ready` answer GET, `predict` POST, also in CSV where that is customary."""

    live: str | None = None
    ready: str | None = None
    predict: str | None = None
    has_csv: bool = False


DIALECTS: dict[str, Dialect] = {
    OPEN_INFERENCE: Dialect(),
    "sagemaker": Dialect(ready="/ping", predict="/invocations", has_csv=True),
    "vertex": Dialect(ready="/health", predict="/predict"),
    "azureml": Dialect(live="/", ready="/ready", predict="/score"),
}
"""By protocol. KServe speaks the Open Inference Protocol itself. Vertex AI names its routes in the environment."""


def dialect(protocol: str, routes: Mapping[str, str]) -> Dialect:
    """With the routes that a platform has chosen itself. Raises UserError for an unknown protocol."""
    if protocol not in DIALECTS:
        raise mistake("settings.protocol", protocol, ", ".join(DIALECTS))
    known = DIALECTS[protocol]
    return replace(known, ready=routes.get("ready") or known.ready, predict=routes.get("predict") or known.predict)
