"""What AWS bills for beside machines and network: logs, keys, messages, functions, databases, budgets."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from policies.cost.aws import DURATION_MS, LOGGED
from policies.cost.item import Item
from policies.cost.model import HOURS, Line
from policies.cost.tables import Charge, pricer, table, unpriced
from policies.cost.usage import quantity

KEPT_LOGS = quantity("log_storage_gb", 10, "GB of logs kept")
CALLS = quantity("monthly_key_requests", 100_000, "requests to the key")
SECRET_CALLS = quantity("monthly_secret_requests", 10_000, "requests for the secret")
MESSAGES = quantity("monthly_messages", 10_000, "messages")
EMAILS = quantity("monthly_emails", 100, "mails")
INVOCATIONS = quantity("monthly_invocations", 10_000, "invocations")
WORKSPACE_USERS = quantity("editors", 5, "editors")
SAMPLES = quantity("monthly_samples", 100_000_000, "samples")
FULL_BUDGET = Decimal(30)
"""Days that a budget with actions is billed for, in a month."""

table(
    "aws:cloudwatch/logGroup:LogGroup",
    Charge("log intake", "cloudwatch", "log_ingest_standard", "operations", LOGGED),
    Charge("log storage", "cloudwatch", "log_storage", "operations", KEPT_LOGS),
)
table("aws:cloudwatch/dashboard:Dashboard", Charge("dashboard", "cloudwatch", "dashboard", "operations", Decimal(1)))
table(
    "aws:sqs/queue:Queue", Charge("messages", "sqs", "standard_requests", "operations", MESSAGES, per=1_000_000)
)  # fmt: skip
table(
    "aws:sns/topic:Topic", Charge("messages", "sns", "api_requests", "operations", MESSAGES, per=1_000_000)
)  # fmt: skip
table(
    "aws:secretsmanager/secret:Secret",
    Charge("secret", "secretsmanager", "secret", "security", Decimal(1)),
    Charge("requests", "secretsmanager", "api_requests", "security", SECRET_CALLS, per=10_000),
)
table(
    "aws:budgets/budgetAction:BudgetAction",
    Charge("budget with actions", "budgets", "action_enabled_budget", "operations", FULL_BUDGET),
)
table(
    "aws:grafana/workspace:Workspace",
    Charge("editors", "managed_grafana", "editor", "operations", WORKSPACE_USERS),
)
table(
    "aws:amp/workspace:Workspace",
    Charge("samples", "managed_prometheus", "samples_ingested", "operations", SAMPLES, per=10_000_000),
)
unpriced(
    "the catalogue has no price of SageMaker's MLflow server",
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer",
)
unpriced("the catalogue has no price of composite alarms", "aws:cloudwatch/compositeAlarm:CompositeAlarm")


@pricer("aws:sns/topicSubscription:TopicSubscription")
def subscription(item: Item) -> Iterator[Line]:
    """Mails and posts cost something; what goes to functions and queues costs there."""
    protocol = item.text("protocol")
    if protocol in ("email", "email-json"):
        yield item.charge("mails", "sns", "email_notifications", item.use(EMAILS), kind="operations", per=100_000)
    elif protocol in ("http", "https"):
        yield item.charge("posts", "sns", "http_notifications", item.use(MESSAGES), kind="operations", per=100_000)


@pricer("aws:cloudwatch/metricAlarm:MetricAlarm")
def alarm(item: Item) -> Iterator[Line]:
    """Billed by the metrics that it watches; shorter than a minute is dearer, and so are bands of anomalies."""
    queries = item.node.get("metricQueries") or []
    metrics = [query.mapping("metric") for query in queries if query.get("metric")]
    period = min([metric.number("period") for metric in metrics] or [float(item.number("period", 60))])
    speed = "high_resolution" if period < 60 else "standard"
    if item.node.get("thresholdMetricId"):
        yield item.charge("anomaly alarm", "cloudwatch", "alarm_anomaly_high_resolution", 1, kind="operations",
                          note="the price of high resolution")  # fmt: skip
        return
    yield item.charge("alarm", "cloudwatch", f"alarm_{speed}", 1, kind="operations", count=max(len(metrics), 1))


@pricer("aws:kms/key:Key")
def key(item: Item) -> Iterator[Line]:
    """A rotated key is billed for each of its first two rotations too: that grows later."""
    yield item.charge("key", "kms", "customer_key", 1, kind="security",
                      note="each of the first two rotations adds as much" if item.node.get("enableKeyRotation") else "",
                      most=3 if item.node.get("enableKeyRotation") else 1)  # fmt: skip
    is_asymmetric = item.text("keyUsage", "ENCRYPT_DECRYPT") == "SIGN_VERIFY"
    dimension = "requests_asymmetric" if is_asymmetric else "requests"
    yield item.charge("requests", "kms", dimension, item.use(CALLS), kind="security", per=10_000)


@pricer("aws:lambda/function:Function")
def function(item: Item) -> Iterator[Line]:
    runs = item.use(INVOCATIONS)
    architecture = "arm" if "arm64" in (item.node.get("architectures") or []) else "x86"
    yield item.charge("invocations", "lambda", "requests", runs, kind="compute", per=1_000_000)
    seconds = runs * item.use(DURATION_MS, default=Decimal(1000)) / 1000
    memory = item.number("memorySize", 128) / 1024
    yield item.charge("run time", "lambda", f"duration_{architecture}", seconds * memory, kind="compute")


@pricer("aws:rds/instance:Instance")
def database(item: Item) -> Iterator[Line]:
    engine, place = item.text("engine"), "multi_az" if item.node.get("multiAz") else "single_az"
    yield item.hours("instance hours", "rds", f"{engine}_{place}:{item.text('instanceClass')}", kind="compute")
    yield item.charge("storage", "rds", f"{engine}_{place}_storage", item.number("allocatedStorage"), kind="storage")


@pricer("aws:elasticache/cluster:Cluster", "aws:elasticache/replicationGroup:ReplicationGroup")
def cache(item: Item) -> Iterator[Line]:
    engine = item.text("engine", "redis")
    nodes = item.number("numCacheNodes", None if item.node.get("numCacheNodes") else 0)
    nodes = nodes or item.number("numCacheClusters", 1)
    yield item.hours("node hours", "elasticache", f"{engine}:{item.text('nodeType')}", kind="compute", count=nodes)


@pricer("aws:fsx/lustreFileSystem:LustreFileSystem")
def lustre(item: Item) -> Iterator[Line]:
    deployment = item.text("deploymentType", "SCRATCH_1")
    speed = item.node.get("perUnitStorageThroughput", 125)
    dimension = "scratch_ssd" if deployment.startswith("SCRATCH") else f"persistent_ssd_{speed}"
    yield item.charge("storage", "fsx_lustre", dimension, item.number("storageCapacity"), kind="storage")


NOTEBOOK_HOURS = quantity("notebook_hours", 160, "hours")


@pricer("aws:sagemaker/notebookInstance:NotebookInstance")
def notebook(item: Item) -> Iterator[Line]:
    hours = min(item.use(NOTEBOOK_HOURS), HOURS)
    yield item.charge("instance hours", "sagemaker", f"notebook:{item.text('instanceType')}", hours, kind="compute")
    size = item.number("volumeSize", 5)
    yield item.charge("volume", "sagemaker", "notebook_volume_storage", size, kind="storage")
