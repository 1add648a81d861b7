"""The local cluster: a scheduler with slots of two kinds, on-demand and spot, and a spot market."""

from __future__ import annotations

from typing import Any

import pulumi

from components import contract
from components.contract import StorageOutputs, TrainingOutputs
from components.local.config import service_config
from components.local.identity import LocalIdentity
from components.local.network import LocalNetwork, local_settings
from components.local.resources import Service
from components.local.settings import AlwaysMarket, LocalSettings, ModelMarket, TraceMarket
from components.specs import TrainingSpec
from ml_jobs.contract import Pool, Queue


class TrainingCluster(contract.TrainingCluster):
    """One scheduler process; a slot is an instance of a pool, and runs as many ranks as the pool says."""

    cloud = "local"

    def build(
        self,
        spec: TrainingSpec,
        *,
        network: LocalNetwork,
        identity: LocalIdentity,
        storage: StorageOutputs,
        **below: Any,
    ) -> TrainingOutputs:
        settings = local_settings(self.ctx)
        pools = pools_of(spec, settings)
        config = service_config(
            self.ctx,
            network,
            identity,
            storage,
            "scheduler",
            token_ref=identity.training_ref,
            peers=("registry", "ledger"),
            settings={
                "pools": [pool.model_dump(mode="json") for pool in pools],
                "market": settings.spot_market.model_dump(mode="json"),
                "spot_fallback_s": spec.spot_fallback_s,
            },
        )
        scheduler = Service(
            self.child_name("scheduler"),
            module="ml_jobs.local.scheduler",
            config=config,
            stop_s=60,
            opts=self.child(),
        )
        return TrainingOutputs(
            cluster_ref=scheduler.url,
            pools=pulumi.Output.from_input(0).apply(lambda _: pools),
            queues=scheduler.url.apply(lambda url: [Queue(name="default", ref=url)]),
        )


def pools_of(spec: TrainingSpec, settings: LocalSettings) -> list[Pool]:
    """The declared pools with the local prices and what the spot market promises."""
    market = settings.spot_market
    return [
        Pool(
            name=name,
            count=pool.ranks_per_instance,
            instance_type="local-slot",
            is_spot=pool.is_spot,
            zones=("local",),
            max_count=pool.max_count,
            usd_per_hour=settings.spot_usd_per_hour if pool.is_spot else settings.on_demand_usd_per_hour,
            mtbf_s=mean_up_s(market) if pool.is_spot else None,
            notice_s=market.notice_s if pool.is_spot else 0,
        )
        for name, pool in spec.pools.items()
    ]


def mean_up_s(market: AlwaysMarket | TraceMarket | ModelMarket) -> float | None:
    """How long spot lasts on average, in seconds; None when nothing ends it."""
    if isinstance(market, ModelMarket):
        return market.mean_up_s
    if isinstance(market, TraceMarket):
        runs = [len(run) for run in market.available.split("0") if run]
        return market.gap_s * sum(runs) / len(runs) if runs and "0" in market.available else None
    return None
