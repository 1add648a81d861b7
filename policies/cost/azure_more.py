"""What Azure bills for beside machines and network: storage, registries, logs, alarms, keys."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from policies.cost.item import Item
from policies.cost.model import Line
from policies.cost.tables import Charge, pricer, table, unpriced
from policies.cost.usage import quantity

STORED = quantity("storage_gb", 300, "GB in all containers")
WRITES = quantity("monthly_write_operations", 300_000, "writes")
LISTS = quantity("monthly_list_and_create_container_operations", 30_000, "lists")
READS = quantity("monthly_read_operations", 3_000_000, "reads")
LOGGED = quantity("monthly_log_data_ingestion_gb", 20, "GB of logs")
KEPT = quantity("log_storage_gb", 10, "GB of logs kept for more than 31 days")
TRACED = quantity("monthly_data_ingested_gb", 5, "GB of traces")
KEY_CALLS = quantity("monthly_key_operations", 100_000, "operations of the key")
SECRET_CALLS = quantity("monthly_secrets_operations", 10_000, "operations of secrets")
SERIES = quantity("monitored_time_series", 1, "time series watched")
MAILS = quantity("monthly_emails", 100, "mails")
DAYS = Decimal(730) / 24

unpriced(
    "the catalogue has no price of Container Apps", "azure-native:app:Job", "azure-native:app:ContainerApp",
)  # fmt: skip
unpriced("the catalogue has no price of Network Watcher's flow logs", "azure-native:network:FlowLog")
table(
    "azure-native:applicationinsights:Component",
    Charge("traces", "application_insights", "ingest", "operations", TRACED),
)
table(
    "azure-native:dashboard:Grafana", Charge("node", "managed_grafana", "standard_node", "operations")
)  # fmt: skip
table(
    "azure-native:keyvault:Vault",
    Charge("secrets", "key_vault", "secret_operations", "security", SECRET_CALLS, per=10_000),
)


@pricer("azure-native:storage:StorageAccount")
def storage_account(item: Item) -> Iterator[Line]:
    tier = item.text("accessTier", "Hot").lower()
    redundancy = str(item.at("sku.name", "Standard_LRS")).partition("_")[2].lower()
    for component, dimension, asked, per in (
        ("storage", "storage", STORED, 1), ("writes", "write_ops", WRITES, 10_000),
        ("lists", "list_ops", LISTS, 10_000), ("reads", "read_ops", READS, 10_000),
    ):  # fmt: skip
        name = f"{tier}_{redundancy}_{dimension}"
        yield item.charge(component, "blob_storage", name, item.use(asked), kind="storage", per=per)


@pricer("azure-native:containerregistry:Registry")
def registry(item: Item) -> Iterator[Line]:
    """Some storage is included in each tier; more isn't counted."""
    tier = str(item.at("sku.name", "Basic")).lower()
    yield item.charge("registry", "acr", tier, DAYS, kind="storage", note="storage within what the tier includes")


@pricer("azure-native:operationalinsights:Workspace")
def workspace(item: Item) -> Iterator[Line]:
    yield item.charge("log intake", "log_analytics", "analytics_ingest", item.use(LOGGED), kind="operations")
    if item.number("retentionInDays", 31) > 31:
        yield item.charge("log storage", "log_analytics", "analytics_retention_over_31_days", item.use(KEPT),
                          kind="operations")  # fmt: skip


@pricer("azure-native:monitor:MetricAlert")
def metric_alert(item: Item) -> Iterator[Line]:
    """Alarms lie in no region: priced in the one of what they watch."""
    item.region = item.text("targetResourceRegion", item.home)
    criteria = max(len(item.at("criteria.allOf", [])), 1)
    series = item.use(SERIES)
    yield item.charge("time series watched", "monitor", "metric_alert", series, kind="operations", count=criteria)


@pricer("azure-native:monitor:ScheduledQueryRule")
def query_alert(item: Item) -> Iterator[Line]:
    """By how often it runs."""
    often = item.text("evaluationFrequency", "PT5M")
    step = {"PT1M": "1min", "PT5M": "5min", "PT10M": "10min"}.get(often, "15min_or_more")
    yield item.charge("log alarm", "monitor", f"log_alert_rule_{step}", 1, kind="operations", note=often)


@pricer("azure-native:monitor:ActionGroup")
def action_group(item: Item) -> Iterator[Line]:
    item.region = item.home  # it lies in none itself
    if item.count("emailReceivers"):
        yield item.charge("mails", "monitor", "action_email", item.use(MAILS), kind="operations")


@pricer("azure-native:keyvault:Key")
def key(item: Item) -> Iterator[Line]:
    """Keys in software are free but for their use; keys in an HSM are billed by the month."""
    kind = str(item.at("properties.kty"))
    if kind.endswith("-HSM"):
        yield item.charge("key", "key_vault", "hsm_key_rsa2048", 1, kind="security")
    is_small = kind.startswith("RSA") and item.number("properties.keySize", 2048) <= 2048
    dimension = "key_operations_rsa2048" if is_small else "key_operations_advanced"
    yield item.charge("operations", "key_vault", dimension, item.use(KEY_CALLS), kind="security", per=10_000)


@pricer("azure-native:cache:Redis", "azure-native:redis:Redis")
def redis(item: Item) -> Iterator[Line]:
    name = f"{item.at('sku.name', 'Standard')}_{item.at('sku.family', 'C')}{item.number('sku.capacity', 1)}".lower()
    yield item.hours("cache", "redis_cache", name, kind="compute")
