"""Ways in that go past the cloud's own identities: shared keys, local accounts, admin users."""

from __future__ import annotations

from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping, text


@rule(
    "local-auth-off",
    Severity.HIGH,
    types=("azure-native:storage:StorageAccount",),
    title="A service knows nobody but the cloud's identities",
    why="A shared key opens everything to whoever holds it, names nobody in the logs, and can't be revoked for one.",
    remedy="Turn the service's own keys and accounts off; grant roles to identities instead.",
)
def local_auth_off(account: Props) -> list[Finding]:
    """Azure takes shared keys unless told otherwise."""
    keys, users = flag(account, "allowSharedKeyAccess"), flag(account, "isLocalUserEnabled")
    return [
        *([] if keys is False else [Finding(at="allowSharedKeyAccess", found=keys)]),
        *([Finding(at="isLocalUserEnabled", found=users)] if users else []),
    ]


local_auth_off.examples(
    good=[{"allowSharedKeyAccess": False}, {"allowSharedKeyAccess": False, "isLocalUserEnabled": False}],
    bad=[{}, {"allowSharedKeyAccess": True}, {"allowSharedKeyAccess": False, "isLocalUserEnabled": True}],
    unknown=[{"allowSharedKeyAccess": UNKNOWN}, {"allowSharedKeyAccess": False, "isLocalUserEnabled": UNKNOWN}],
)


@local_auth_off.also(
    "azure-native:applicationinsights:Component",
    "azure-native:cosmosdb:DatabaseAccount",
    "azure-native:eventhub:Namespace",
    "azure-native:search:Service",
    "azure-native:servicebus:Namespace",
)
def _plain(service: Props) -> Finding | None:
    return _off(service, "disableLocalAuth")


_plain.examples(
    good=[{"disableLocalAuth": True}],
    bad=[{}, {"disableLocalAuth": False}],
    unknown=[{"disableLocalAuth": UNKNOWN}],
)


def _off(props: Props, key: str) -> Finding | None:
    return None if (value := flag(props, key)) else Finding(at=props.at(key), found=value)


@local_auth_off.also("azure-native:cognitiveservices:Account")
def _cognitive(account: Props) -> Finding | None:
    return _off(mapping(account, "properties"), "disableLocalAuth")


_cognitive.examples(
    good=[{"properties": {"disableLocalAuth": True}}],
    bad=[{}, {"properties": {"disableLocalAuth": False}}],
    unknown=[{"properties": UNKNOWN}],
)


@local_auth_off.also("azure-native:operationalinsights:Workspace")
def _logs(workspace: Props) -> Finding | None:
    return _off(mapping(workspace, "features"), "disableLocalAuth")


_logs.examples(
    good=[{"features": {"disableLocalAuth": True}}],
    bad=[{}, {"features": {}}],
    unknown=[{"features": UNKNOWN}, {"features": {"disableLocalAuth": UNKNOWN}}],
)


@local_auth_off.also("azure-native:containerregistry:Registry")
def _images(registry: Props) -> Finding | None:
    return Finding(at="adminUserEnabled", found=True) if flag(registry, "adminUserEnabled") else None


_images.examples(
    good=[{}, {"adminUserEnabled": False}],
    bad=[{"adminUserEnabled": True}],
    unknown=[{"adminUserEnabled": UNKNOWN}],
)


@local_auth_off.also("azure-native:machinelearningservices:Workspace")
def _workspace(workspace: Props) -> Finding | None:
    mode = text(workspace, "systemDatastoresAuthMode")
    return None if (mode or "").lower() == "identity" else Finding(at="systemDatastoresAuthMode", found=mode)


_workspace.examples(
    good=[{"systemDatastoresAuthMode": "identity"}],
    bad=[{}, {"systemDatastoresAuthMode": "accesskey"}],
    unknown=[{"systemDatastoresAuthMode": UNKNOWN}],
)


@local_auth_off.also("azure-native:machinelearningservices:Datastore")
def _datastore(datastore: Props) -> Finding | None:
    credentials = mapping(datastore, "properties", "credentials")
    kind = text(credentials, "credentialsType")
    return None if kind == "None" else Finding(at=credentials.at("credentialsType"), found=kind)


_datastore.examples(
    good=[{"properties": {"credentials": {"credentialsType": "None"}}}],
    bad=[{}, {"properties": {"credentials": {"credentialsType": "AccountKey"}}}],
    unknown=[{"properties": UNKNOWN}, {"properties": {"credentials": {"credentialsType": UNKNOWN}}}],
)


@local_auth_off.also("azure-native:machinelearningservices:Compute")
def _compute(compute: Props) -> Finding | None:
    properties = mapping(compute, "properties")
    if text(properties, "computeType") not in ("AmlCompute", "ComputeInstance", None):
        return None
    return _off(properties, "disableLocalAuth")


_compute.examples(
    good=[
        {"properties": {"computeType": "AmlCompute", "disableLocalAuth": True}},
        {"properties": {"computeType": "AKS"}},
    ],
    bad=[{}, {"properties": {"computeType": "ComputeInstance", "disableLocalAuth": False}}],
    unknown=[{"properties": UNKNOWN}, {"properties": {"computeType": "AmlCompute", "disableLocalAuth": UNKNOWN}}],
)


@local_auth_off.also(
    "azure-native:machinelearningservices:OnlineEndpoint", "azure-native:machinelearningservices:BatchEndpoint"
)
def _endpoint(endpoint: Props) -> Finding | None:
    properties = mapping(endpoint, "properties")
    mode = text(properties, "authMode")
    return None if mode == "AADToken" else Finding(at=properties.at("authMode"), found=mode)


_endpoint.examples(
    good=[{"properties": {"authMode": "AADToken"}}],
    bad=[{}, {"properties": {"authMode": "Key"}}, {"properties": {"authMode": "AMLToken"}}],
    unknown=[{"properties": {"authMode": UNKNOWN}}],
)


@local_auth_off.also("azure-native:containerservice:ManagedCluster")
def _aks(cluster: Props) -> list[Finding]:
    is_open = flag(cluster, "enableRBAC") is False
    found = [_off(cluster, "disableLocalAccounts"), Finding(at="enableRBAC", found=False) if is_open else None]
    return [item for item in found if item]


_aks.examples(
    good=[{"disableLocalAccounts": True}],
    bad=[{}, {"disableLocalAccounts": False}, {"disableLocalAccounts": True, "enableRBAC": False}],
    unknown=[{"disableLocalAccounts": UNKNOWN}],
)


@local_auth_off.also("gcp:container/cluster:Cluster")
def _gke(cluster: Props) -> list[Finding]:
    """https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#restrict_authn_methods"""
    certificate = mapping(cluster, "masterAuth", "clientCertificateConfig")
    is_issued, is_legacy = flag(certificate, "issueClientCertificate"), flag(cluster, "enableLegacyAbac")
    return [
        *([Finding(at=certificate.at("issueClientCertificate"), found=True)] if is_issued else []),
        *([Finding(at="enableLegacyAbac", found=True)] if is_legacy else []),
    ]


_gke.examples(
    good=[{}, {"masterAuth": {"clientCertificateConfig": {"issueClientCertificate": False}}}],
    bad=[{"masterAuth": {"clientCertificateConfig": {"issueClientCertificate": True}}}, {"enableLegacyAbac": True}],
    unknown=[{"masterAuth": UNKNOWN}, {"enableLegacyAbac": UNKNOWN}],
)


@local_auth_off.also("aws:eks/cluster:Cluster")
def _eks(cluster: Props) -> Finding | None:
    """A map in the cluster names administrators that no log of the account shows."""
    access = mapping(cluster, "accessConfig")
    mode = text(access, "authenticationMode")
    return None if mode == "API" else Finding(at=access.at("authenticationMode"), found=mode)


_eks.examples(
    good=[{"accessConfig": {"authenticationMode": "API"}}],
    bad=[{}, {"accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}}],
    unknown=[{"accessConfig": UNKNOWN}],
)
