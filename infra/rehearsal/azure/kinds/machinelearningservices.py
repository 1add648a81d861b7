"""Azure ML: the workspace, its compute clusters and assets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Kind, Ref, Rule

MODELS = "azure.ai.ml._restclient.arm_ml_service.models"
WORKSPACE = "azure-native:machinelearningservices:Workspace"
ENVIRONMENT = "azure-native:machinelearningservices:EnvironmentVersion"
MODEL = "azure-native:machinelearningservices:ModelVersion"
DATA = "azure-native:machinelearningservices:DataVersion"
UNDER = {"workspaceName": WORKSPACE}
PREFIX = "Microsoft.MachineLearningServices/workspaces"
ASSET = r"[a-zA-Z0-9][\w-]{0,254}"
AUTH = {"identity": "Identity", "accesskey": "AccessKey", "userdelegationsas": "UserDelegationSAS"}
CMK = "https://learn.microsoft.com/azure/machine-learning/concept-customer-managed-keys"
SCALE = "https://learn.microsoft.com/azure/machine-learning/how-to-create-attach-compute-cluster"
URIS = "https://learn.microsoft.com/azure/machine-learning/concept-data#uri"


def _workspace(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path in ("storageAccount", "keyVault", "applicationInsights"):
        if not inputs.get(path):
            yield path, f"ValidationError: Missing dependent resource: {path}"
    kind = (inputs.get("identity") or {}).get("type", "")
    if (
        "UserAssigned" in str(kind)
        and "SystemAssigned" not in str(kind)
        and not inputs.get("primaryUserAssignedIdentity")
    ):
        yield "primaryUserAssignedIdentity", "ValidationError: A user-assigned identity must be primary"


def _scale(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    own = (inputs.get("properties") or {}).get("properties") or {}
    scale = own.get("scaleSettings") or {}
    least, most = scale.get("minNodeCount", 0), scale.get("maxNodeCount")
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        yield "properties.properties.scaleSettings.minNodeCount", "BadRequest: more than maxNodeCount"
    if own.get("vmPriority") == "LowPriority" and own.get("enableNodePublicIp") is None:
        return


def _uri(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path in ("modelUri", "dataUri"):
        uri = (inputs.get("properties") or {}).get(path)
        if isinstance(uri, str) and not uri.startswith(("azureml://", "https://", "wasbs://", "abfss://", "runs:/")):
            yield f"properties.{path}", f"UserError: Unsupported URI {uri}"


def _ref(module: str, kind: str) -> Ref:
    return Ref(f"azure-native:{module}:{kind}", by=())


KINDS: tuple[Kind, ...] = (
    arm(
        WORKSPACE,
        PREFIX,
        f"{MODELS}:Workspace",
        name="workspaceName",
        pattern=r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
        has_identity=True,
        rules={
            # The SDK's spelling is an older version's.
            "systemDatastoresAuthMode": To("properties.systemDatastoresAuthMode", by=lambda mode: AUTH.get(mode, mode)),
        },
        outputs={
            "mlFlowTrackingUri": "azureml://{region}.api.azureml.ms/mlflow/v1.0/subscriptions/{account}/resourceGroups/"
            "{resourceGroupName}/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}",
            "workspaceId": "{uuid}",
        },
        references={
            "storageAccount": _ref("storage", "StorageAccount"),
            "keyVault": _ref("keyvault", "Vault"),
            "applicationInsights": _ref("applicationinsights", "Component"),
            "containerRegistry": _ref("containerregistry", "Registry"),
            "primaryUserAssignedIdentity": _ref("managedidentity", "UserAssignedIdentity"),
            "encryption.keyVaultProperties.keyVaultArmId": _ref("keyvault", "Vault"),
        },
        checks=(Rule(CMK, _workspace, needs=("storageAccount", "keyVault", "applicationInsights", "identity")),),
        immutable=("storageAccount", "keyVault", "encryption", "hbiWorkspace", "kind"),
    ),
    arm(
        "azure-native:machinelearningservices:Compute",
        f"{PREFIX}/computes",
        f"{MODELS}:ComputeResource",
        name="computeName",
        pattern=r"[a-zA-Z](-?[a-zA-Z0-9]){1,31}",
        under=UNDER,
        has_identity=True,
        checks=(Rule(SCALE, _scale, needs=("properties",)),),
        immutable=("properties.computeType", "properties.properties.vmSize", "properties.properties.vmPriority"),
    ),
    arm(
        "azure-native:machinelearningservices:Datastore",
        f"{PREFIX}/datastores",
        f"{MODELS}:Datastore",
        name="name",
        pattern=r"[a-zA-Z0-9_]{1,255}",
        under=UNDER,
        references={"properties.accountName": Ref("azure-native:storage:StorageAccount", by=("name",))},
    ),
    *(
        arm(
            f"azure-native:machinelearningservices:{kind}Container",
            f"{PREFIX}/{kind.lower()}s",
            f"{MODELS}:{kind}Container",
            name="name",
            pattern=ASSET,
            under=UNDER,
        )
        for kind in ("Model", "Environment")
    ),
    arm(
        MODEL,
        f"{PREFIX}/models/versions",
        f"{MODELS}:ModelVersion",
        name="version",
        pattern=r"[a-zA-Z0-9][\w.-]{0,29}",
        under={**UNDER, "name": "azure-native:machinelearningservices:ModelContainer"},
        checks=(Rule(URIS, _uri, needs=("properties",)),),
        outputs={"name": "{version}"},
        immutable=("properties.modelUri", "properties.modelType"),
    ),
    arm(
        ENVIRONMENT,
        f"{PREFIX}/environments/versions",
        f"{MODELS}:EnvironmentVersion",
        name="version",
        pattern=r"[a-zA-Z0-9][\w.-]{0,29}",
        under={**UNDER, "name": ""},
        outputs={"name": "{version}"},
        immutable=("properties.image", "properties.inferenceConfig"),
    ),
    arm(
        DATA,
        f"{PREFIX}/data/versions",
        f"{MODELS}:DataVersionBase",
        name="version",
        pattern=r"[a-zA-Z0-9][\w.-]{0,29}",
        under={**UNDER, "name": ""},
        checks=(Rule(URIS, _uri, needs=("properties",)),),
        outputs={"name": "{version}"},
        immutable=("properties.dataUri", "properties.dataType"),
    ),
)
