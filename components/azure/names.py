"""What Azure takes for names. https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"""

from __future__ import annotations

from catalog.names import NameRule

RULES = "https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"
ML_ENDPOINTS = (
    "https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#azure-machine-learning-online-endpoints"
)

RESOURCE_GROUP = NameRule("resource group", 90, f"{RULES}#microsoftresources")
NETWORK = NameRule("virtual network", 64, f"{RULES}#microsoftnetwork", min_length=2)
NETWORK_PART = NameRule("network resource", 80, f"{RULES}#microsoftnetwork")
IDENTITY = NameRule("managed identity", 128, f"{RULES}#microsoftmanagedidentity", min_length=3)
VAULT = NameRule("key vault", 24, f"{RULES}#microsoftkeyvault", min_length=3)
STORAGE = NameRule("storage account", 24, f"{RULES}#microsoftstorage", min_length=3, separator="")
REGISTRY = NameRule("container registry", 50, f"{RULES}#microsoftcontainerregistry", min_length=5, separator="")
LOGS = NameRule("log analytics workspace", 63, f"{RULES}#microsoftoperationalinsights", min_length=4)
INSIGHTS = NameRule("application insights", 255, f"{RULES}#microsoftinsights")
ALERT = NameRule("alert rule", 128, f"{RULES}#microsoftinsights")
WORKSPACE = NameRule("machine learning workspace", 33, f"{RULES}#microsoftmachinelearningservices", min_length=3)
COMPUTE = NameRule("compute cluster", 32, f"{RULES}#microsoftmachinelearningservices", min_length=3)
ENDPOINT = NameRule("online endpoint", 32, ML_ENDPOINTS, min_length=3)
DEPLOYMENT = NameRule("online deployment", 32, ML_ENDPOINTS, min_length=3)
ASSET = NameRule("model, environment or data asset", 255, f"{RULES}#microsoftmachinelearningservices")
CLUSTER = NameRule("AKS cluster", 63, f"{RULES}#microsoftcontainerservice")
AGENT_POOL = NameRule("AKS node pool", 12, f"{RULES}#microsoftcontainerservice", separator="")
DNS_PREFIX = NameRule("DNS prefix", 54, f"{RULES}#microsoftcontainerservice")
JOB = NameRule("container apps job", 32, f"{RULES}#microsoftapp", min_length=2)
ENVIRONMENT = NameRule("container apps environment", 60, f"{RULES}#microsoftapp", min_length=2)
BUDGET = NameRule("budget", 63, f"{RULES}#microsoftconsumption")
ACTION_GROUP = NameRule("action group", 260, f"{RULES}#microsoftinsights")
SHORT = NameRule("action group's short name", 12, f"{RULES}#microsoftinsights", separator="")
NODE_GROUP = NameRule("AKS node resource group", 80, f"{RULES}#microsoftcontainerservice")
