"""The budget of a brought cluster."""

from __future__ import annotations

from typing import Any

from components import contract
from components.contract import BudgetOutputs
from components.kubernetes.costs import declare_budget
from components.kubernetes.network import KubernetesNetwork
from components.specs import BudgetSpec


class BudgetAlarm(contract.BudgetAlarm):
    """Spend recorded from OpenCost, an alert for each step, and a CronJob that carries the steps out."""

    cloud = "kubernetes"

    def build(self, spec: BudgetSpec, *, network: KubernetesNetwork, **below: Any) -> BudgetOutputs:
        return declare_budget(self, network.cluster, spec)
