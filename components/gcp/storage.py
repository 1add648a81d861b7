"""Buckets, and the key that encrypts them and all else that the stack keeps."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from components import contract
from components.gcp import names
from components.gcp.bucket import declare_bucket, kept
from components.gcp.grants import GRANTS, grant_key, grant_on_bucket, members_of
from components.gcp.outputs import GcpIdentity, GcpNetwork, GcpStorage
from components.gcp.provider import gcp_settings, labels_of
from components.gcp.services import after
from components.specs import StorageSpec

ROTATION = f"{90 * 86_400}s"
KEY_DELETION = f"{30 * 86_400}s"
AGENTS = ("aiplatform", "artifactregistry", "pubsub")
"""Services whose agent encrypts with the stack's key, and that make their agent only when they are asked to."""

LOG_WRITER = "group:cloud-storage-analytics@google.com"
"""Who delivers usage logs. https://cloud.google.com/storage/docs/access-logs#delivery"""


class Storage(contract.Storage):
    """Three versioned buckets under one key, and a fourth for their access logs.

    With `retain_data` destroy forgets buckets and key and leaves them as they are; without it they go, outside
    production with everything in them.
    """

    cloud = "gcp"

    def build(self, spec: StorageSpec, *, network: GcpNetwork, identity: GcpIdentity, **below: Any) -> GcpStorage:
        brought = gcp_settings(self.ctx).existing
        key = pulumi.Output.from_input(brought.kms_key) if brought.kms_key else self._key(network).id
        agents = self._agents(network, key)
        given = {
            "data": brought.data_bucket,
            "artifacts": brought.artifacts_bucket,
            "checkpoints": brought.checkpoints_bucket,
        }
        buckets = {use: pulumi.Output.from_input(name) for use, name in given.items() if name}
        missing = [use for use, name in given.items() if not name]
        logs = self._access_logs(network, key, agents) if missing else None
        for use in missing:
            buckets[use] = declare_bucket(
                self,
                use,
                project=network.project_id,
                name=self._bucket_name(use, network),
                key=key,
                noncurrent_days=spec.noncurrent_days,
                expire_days=spec.keep_checkpoints_days if use == "checkpoints" else None,
                logs=logs.name if logs else None,
                depends_on=[agents["storage"]],
            ).name
        members = members_of(identity.emails)
        for grant in GRANTS:
            grant_on_bucket(self, grant, buckets[grant.bucket], members[grant.use])
        urls = {use: name.apply(lambda name: f"gs://{name}") for use, name in buckets.items()}
        return GcpStorage(
            data_url=urls["data"],
            artifacts_url=urls["artifacts"],
            checkpoints_url=urls["checkpoints"],
            key_ref=key,
            bucket_names=buckets,
            agents=agents,
        )

    def _key(self, network: GcpNetwork) -> gcp.kms.CryptoKey:
        # No name of its own, as for the ring of the signing key: rings are never deleted.
        ring = gcp.kms.KeyRing(
            self.child_name("keys"),
            project=network.project_id,
            location=self.ctx.region,
            opts=after(self, network.services, "cloudkms", protect=self.ctx.is_production),
        )
        return gcp.kms.CryptoKey(
            self.child_name("key"),
            name=self.ctx.name(names.KEY, "data"),
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=ROTATION,
            destroy_scheduled_duration=KEY_DELETION,
            labels=labels_of(self),
            opts=kept(self, protect=self.ctx.is_production),
        )

    def _agents(self, network: GcpNetwork, key: pulumi.Output[str]) -> dict[str, pulumi.Resource]:
        asked = pulumi.InvokeOutputOptions(parent=self, depends_on=[network.services["storage"]])
        stores = gcp.storage.get_project_service_account_output(project=network.project_id, opts=asked)
        agents: dict[str, pulumi.Resource] = {"storage": grant_key(self, "storage", key, stores.member)}
        for service in AGENTS:
            identity = gcp.projects.ServiceIdentity(
                self.child_name(f"{service}-agent"),
                project=network.project_id,
                service=f"{service}.googleapis.com",
                opts=after(self, network.services, *([service] if service in network.services else [])),
            )
            agents[service] = grant_key(self, service, key, identity.member)
        return agents

    def _bucket_name(self, use: str, network: GcpNetwork) -> pulumi.Output[str]:
        return network.project_id.apply(lambda project: self.ctx.unique_name(names.BUCKET, use, scope=project))

    def _access_logs(
        self, network: GcpNetwork, key: pulumi.Output[str], agents: dict[str, pulumi.Resource]
    ) -> gcp.storage.Bucket:
        logs = declare_bucket(
            self,
            "access-logs",
            project=network.project_id,
            name=self._bucket_name("access-logs", network),
            key=key,
            noncurrent_days=1,
            expire_days=self.ctx.log_retention_days,
            logs=None,
            depends_on=[agents["storage"]],
        )
        gcp.storage.BucketIAMMember(
            self.child_name("access-logs-delivery"),
            bucket=logs.name,
            role="roles/storage.objectCreator",
            member=LOG_WRITER,
            opts=kept(self),
        )
        return logs
