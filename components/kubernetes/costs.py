"""The budget on a cluster: what it spends, as OpenCost tells, and the job that acts."""

from __future__ import annotations

from typing import Any

from components.contract import BudgetOutputs, Component
from components.kubernetes.cluster import Cluster
from components.specs import BudgetSpec


def declare_budget(owner: Component[Any, Any], cluster: Cluster, spec: BudgetSpec) -> BudgetOutputs:
    """Declare the rules and the job. A cloud whose own budget governs declares none of this on its clusters."""
    raise NotImplementedError
