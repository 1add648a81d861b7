"""Databases and file systems that people put beside the platform can be brought back."""

from __future__ import annotations

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, is_given, mapping, number, text

LEAST_DAYS = 7


@rule(
    "databases-backed-up",
    Severity.MEDIUM,
    types=("aws:rds/instance:Instance", "aws:rds/cluster:Cluster"),
    title="A database is backed up for a week or longer",
    why="The registry's database holds which model was approved on what grounds: no bucket can tell it again.",
    remedy=f"Turn automatic backups on and keep them for {LEAST_DAYS} days or more.",
)
def databases_backed_up(database: Props) -> Finding | None:
    """A replica is as its source is. A period that isn't set is none, or one day."""
    if any(is_given(database, key) for key in ("replicateSourceDb", "replicationSourceIdentifier")):
        return None
    return _kept(database, "backupRetentionPeriod")


def _kept(props: Props, key: str) -> Finding | None:
    days = number(props, key)
    return None if days is not None and days >= LEAST_DAYS else Finding(at=props.at(key), found=days)


databases_backed_up.examples(
    good=[{"backupRetentionPeriod": 7}, {"replicateSourceDb": UNKNOWN}],
    bad=[{}, {"backupRetentionPeriod": 0}, {"backupRetentionPeriod": 1}],
    unknown=[{"backupRetentionPeriod": UNKNOWN}],
)


@databases_backed_up.also("aws:dynamodb/table:Table")
def _table(table: Props) -> Finding | None:
    recovery = mapping(table, "pointInTimeRecovery")
    enabled = flag(recovery, "enabled")
    return None if enabled else Finding(at=recovery.at("enabled"), found=enabled)


_table.examples(
    good=[{"pointInTimeRecovery": {"enabled": True}}],
    bad=[{}, {"pointInTimeRecovery": {"enabled": False}}],
    unknown=[{"pointInTimeRecovery": UNKNOWN}],
)


@databases_backed_up.also("aws:efs/fileSystem:FileSystem", joins=True)
def _file_system(system: Node) -> Finding | None:
    policies = system.referrers("aws:efs/backupPolicy:BackupPolicy", by="fileSystemId")
    found = [text(mapping(policy, "backupPolicy"), "status") for policy in policies]
    return (
        None if "ENABLED" in found else Finding(at="the file system's BackupPolicy", found=found[0] if found else None)
    )


_EFS = declared("aws:efs/fileSystem:FileSystem", "files")
_POLICY = "aws:efs/backupPolicy:BackupPolicy"

_file_system.examples(
    good=[[_EFS, declared(_POLICY, "p", fileSystemId=Ref("files"), backupPolicy={"status": "ENABLED"})]],
    bad=[[_EFS], [_EFS, declared(_POLICY, "p", fileSystemId=Ref("files"), backupPolicy={"status": "DISABLED"})]],
    unknown=[[_EFS, declared(_POLICY, "p", fileSystemId=Ref("files"), backupPolicy=UNKNOWN)]],
)


@databases_backed_up.also("gcp:sql/databaseInstance:DatabaseInstance")
def _cloud_sql(instance: Props) -> Finding | None:
    if is_given(instance, "masterInstanceName"):
        return None
    backup = mapping(instance, "settings", "backupConfiguration")
    enabled = flag(backup, "enabled")
    return None if enabled else Finding(at=backup.at("enabled"), found=enabled)


_cloud_sql.examples(
    good=[{"settings": {"backupConfiguration": {"enabled": True}}}, {"masterInstanceName": UNKNOWN}],
    bad=[{}, {"settings": {"backupConfiguration": {"enabled": False}}}],
    unknown=[{"settings": UNKNOWN}],
)


@databases_backed_up.also("azure-native:dbforpostgresql:Server")
def _postgres(server: Props) -> Finding | None:
    """Azure keeps backups for seven days unless told otherwise."""
    backup = mapping(server, "backup")
    return _kept(backup, "backupRetentionDays") if is_given(backup, "backupRetentionDays") else None


_postgres.examples(
    good=[{}, {"backup": {"backupRetentionDays": 14}}],
    bad=[{"backup": {"backupRetentionDays": 1}}],
    unknown=[{"backup": UNKNOWN}, {"backup": {"backupRetentionDays": UNKNOWN}}],
)
