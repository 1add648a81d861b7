"""Alert rules, their receivers and a dashboard on a cluster."""

from __future__ import annotations

from typing import Any

from components.contract import Component, MonitoringOutputs
from components.kubernetes.cluster import Cluster
from components.specs import MonitoringSpec


def declare_alerts(owner: Component[Any, Any], cluster: Cluster, spec: MonitoringSpec) -> MonitoringOutputs:
    """Declare them; a cloud's own monitoring may add to what is given back or leave it."""
    raise NotImplementedError
