"""Models and their deployments on one Vertex endpoint, by google-cloud-aiplatform.

Order of a change: models are uploaded and deployed without traffic, then all weights change at once, then what is no
longer wanted goes. Whatever breaks off between them leaves the old weights, and can be repeated.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Mapping
from typing import Any

from catalog.errors import SkywrightError, UserError
from components.gcp.names import number_of

Props = Mapping[str, Any]

ENDPOINT_VARIABLE = "SKYWRIGHT_VERTEX_ENDPOINT"
"""`http://127.0.0.1:PORT` of a stand-in, set by rehearsals alone; another host is refused."""

PORT, PREDICT_ROUTE, HEALTH_ROUTE = 8080, "/v2/models/{model}/infer", "/v2/health/ready"
DEPLOY_TIMEOUT_S = 3600.0
ARTIFACT_LABEL = "artifact"
_LABEL_LENGTH = 63
_PLACED = ("machine_type", "accelerator_type", "accelerator_count", "is_spot")
"""What can't be changed under a deployed model: with it the model is deployed anew, beside the old one."""


def deployed_id(props: Props, release: str) -> str:
    """The id of a release's deployed model: the same for the same model on the same machines."""
    machines = json.dumps([props["hardware"].get(key) for key in _PLACED])
    return number_of(str(props["key"]), release, str(props["model_ids"][release]), machines)


def weights(props: Props) -> dict[str, int]:
    """The traffic split, by deployed model; what gets nothing is left out."""
    split = {
        deployed_id(props, name): int(release["weight_percent"])
        for name, release in props["releases"].items()
        if release["weight_percent"]
    }
    if props["releases"] and sum(split.values()) != 100:
        raise UserError(f"the weights of {props['key']} sum to {sum(split.values())}; allowed: 100")
    return split


def ensure(props: Props, olds: Props) -> dict[str, str]:
    """Make it so; gives back {release: id of its deployed model}. Raises SkywrightError where a model by that id holds
    another artifact."""
    split = weights(props)
    wanted = {name: deployed_id(props, name) for name in props["releases"]}
    vertex = _Vertex(str(props["region"]), str(props["endpoint"]))
    models = {name: vertex.uploaded(props, name) for name in wanted}
    standing = {item.id: item for item in vertex.endpoint().deployed_models}
    for name, id in wanted.items():
        if id not in standing:
            vertex.deploy(props, name, id, models[name])
        elif olds.get("hardware") not in (None, props["hardware"]):
            vertex.resize(props, id)  # only what is declared anew: a budget's hold on replicas stays
    vertex.split(split)
    for id in standing.keys() - set(wanted.values()):
        vertex.undeploy(id)
    for gone in set((olds.get("model_ids") or {}).values()) - set(props["model_ids"].values()):
        vertex.delete_model(str(gone))
    return wanted


def status_of(props: Props) -> str | None:
    """`deployed` when all is as declared, `altered` otherwise, None where the endpoint is gone."""
    from google.api_core.exceptions import NotFound

    vertex = _Vertex(str(props["region"]), str(props["endpoint"]))
    try:
        endpoint = vertex.endpoint()
    except NotFound:
        return None
    standing = {item.id for item in endpoint.deployed_models}
    split = {id: percent for id, percent in endpoint.traffic_split.items() if percent}
    wanted = {deployed_id(props, name) for name in props["releases"]}
    return "deployed" if standing == wanted and split == weights(props) else "altered"


def remove(props: Props) -> None:
    """Take everything off the endpoint; it stands empty then."""
    from google.api_core.exceptions import NotFound

    vertex = _Vertex(str(props["region"]), str(props["endpoint"]))
    try:
        standing = [item.id for item in vertex.endpoint().deployed_models]
    except NotFound:
        standing = []
    if standing:
        vertex.split({})
    for id in standing:
        vertex.undeploy(id)
    for model in props["model_ids"].values():
        vertex.delete_model(str(model))


class _Vertex:
    """One endpoint and the models beside it."""

    def __init__(self, region: str, endpoint: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the SDK's, about Python versions to come
            from google.cloud import aiplatform_v1

        self._api = aiplatform_v1
        self._name = endpoint
        self._parent = endpoint.split("/endpoints/")[0]
        self._endpoints, self._models = _clients(region)

    def endpoint(self) -> Any:
        return self._endpoints.get_endpoint(name=self._name)

    def uploaded(self, props: Props, name: str) -> str:
        """The model's full name, uploaded if there is none by its id."""
        from google.api_core.exceptions import NotFound

        release, id = props["releases"][name], props["model_ids"][name]
        label = str(release["artifact_sha256"])[:_LABEL_LENGTH]
        full = f"{self._parent}/models/{id}"
        try:
            held = self._models.get_model(name=full).labels.get(ARTIFACT_LABEL)
        except NotFound:
            self._upload(props, name, id, label)
            return full
        if held != label:
            raise SkywrightError(
                f"model {id} in Vertex's registry holds artifact {held or 'unknown'}, release {name} declares {label}",
                "Find out who made it; delete the model there, then run up again.",
            )
        return full

    def deploy(self, props: Props, name: str, id: str, model: str) -> None:
        """Without traffic: the split is set for all at once."""
        api = self._api
        deployed = api.DeployedModel(
            id=id,
            model=model,
            display_name=f"{props['key']}/{name}"[:128],
            service_account=str(props["service_account"]),
            enable_access_logging=True,
            dedicated_resources=self._resources(props["hardware"]),
        )
        self._endpoints.deploy_model(endpoint=self._name, deployed_model=deployed).result(timeout=DEPLOY_TIMEOUT_S)

    def resize(self, props: Props, id: str) -> None:
        from google.protobuf.field_mask_pb2 import FieldMask

        paths = [
            "dedicated_resources.min_replica_count",
            "dedicated_resources.max_replica_count",
            "dedicated_resources.autoscaling_metric_specs",
        ]
        self._endpoints.mutate_deployed_model(
            endpoint=self._name,
            deployed_model=self._api.DeployedModel(id=id, dedicated_resources=self._resources(props["hardware"])),
            update_mask=FieldMask(paths=paths),
        ).result(timeout=DEPLOY_TIMEOUT_S)

    def split(self, split: Mapping[str, int]) -> None:
        from google.protobuf.field_mask_pb2 import FieldMask

        endpoint = self.endpoint()
        if {id: percent for id, percent in endpoint.traffic_split.items() if percent} == dict(split):
            return
        self._endpoints.update_endpoint(
            endpoint=self._api.Endpoint(
                name=self._name, display_name=endpoint.display_name, etag=endpoint.etag, traffic_split=dict(split)
            ),
            update_mask=FieldMask(paths=["traffic_split"]),
        )

    def undeploy(self, id: str) -> None:
        self._endpoints.undeploy_model(endpoint=self._name, deployed_model_id=id).result(timeout=DEPLOY_TIMEOUT_S)

    def delete_model(self, id: str) -> None:
        from google.api_core.exceptions import NotFound

        with contextlib.suppress(NotFound):
            self._models.delete_model(name=f"{self._parent}/models/{id}").result(timeout=DEPLOY_TIMEOUT_S)

    def _upload(self, props: Props, name: str, id: str, label: str) -> None:
        api = self._api
        release = props["releases"][name]
        record = {key: value for key, value in release.items() if key not in ("weight_percent", "shadow_percent")}
        environment = {
            "SKYWRIGHT_PORT": str(PORT),
            "SKYWRIGHT_RELEASE_NAME": name,
            "SKYWRIGHT_RELEASE": json.dumps(record, sort_keys=True, separators=(",", ":")),
            **props["environment"],
        }
        model = api.Model(
            display_name=f"{release['model']} {release['version']}",
            description=f"Release {name} of {props['key']}",
            labels={**props["labels"], ARTIFACT_LABEL: label},
            container_spec=api.ModelContainerSpec(
                image_uri=props["images"][name],
                env=[api.EnvVar(name=key, value=str(value)) for key, value in environment.items()],
                ports=[api.Port(container_port=PORT)],
                predict_route=PREDICT_ROUTE.format(model=release["model"]),
                health_route=HEALTH_ROUTE,
            ),
            encryption_spec=api.EncryptionSpec(kms_key_name=str(props["kms_key"])),
        )
        request = api.UploadModelRequest(
            parent=self._parent, model_id=id, model=model, service_account=str(props["service_account"])
        )
        self._models.upload_model(request=request).result(timeout=DEPLOY_TIMEOUT_S)

    def _resources(self, hardware: Mapping[str, Any]) -> Any:
        api = self._api
        count = int(hardware["accelerator_count"])
        machine = api.MachineSpec(machine_type=hardware["machine_type"])
        if count:
            machine.accelerator_type = hardware["accelerator_type"]
            machine.accelerator_count = count
        return api.DedicatedResources(
            machine_spec=machine,
            min_replica_count=int(hardware["min_replicas"]),
            max_replica_count=int(hardware["max_replicas"]),
            autoscaling_metric_specs=[
                api.AutoscalingMetricSpec(metric_name=hardware["metric"], target=int(hardware["target"]))
            ],
            spot=bool(hardware["is_spot"]),
        )


def _clients(region: str) -> tuple[Any, Any]:
    """Clients for endpoints and models: of the region, or of the stand-in that a rehearsal names."""
    from google.cloud.aiplatform_v1.services.endpoint_service import EndpointServiceClient, transports
    from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
    from google.cloud.aiplatform_v1.services.model_service import transports as model_transports

    stand_in = os.environ.get(ENDPOINT_VARIABLE)
    if not stand_in:
        options = {"api_endpoint": f"{region}-aiplatform.googleapis.com"}
        return (
            EndpointServiceClient(client_options=options, transport="rest"),
            ModelServiceClient(client_options=options, transport="rest"),
        )
    if not stand_in.startswith("http://127.0.0.1:"):
        raise UserError(
            f"{ENDPOINT_VARIABLE} is {stand_in!r}; allowed: http://127.0.0.1:PORT, within a rehearsal", "Unset it."
        )
    from google.auth.credentials import AnonymousCredentials

    where = {
        "host": stand_in.removeprefix("http://"),
        "url_scheme": "http",
        "credentials": AnonymousCredentials(),
    }
    return (
        EndpointServiceClient(transport=transports.EndpointServiceRestTransport(**where)),
        ModelServiceClient(transport=model_transports.ModelServiceRestTransport(**where)),
    )
