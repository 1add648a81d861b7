"""Skywright on one machine: real processes under a supervisor, declared by dynamic resources."""

from components.local.budget import BudgetAlarm
from components.local.endpoint import ModelEndpoint
from components.local.identity import Identity
from components.local.monitoring import Monitoring
from components.local.network import Network
from components.local.registry import ModelRegistry
from components.local.storage import Storage
from components.local.training import TrainingCluster

__all__ = [
    "BudgetAlarm",
    "Identity",
    "ModelEndpoint",
    "ModelRegistry",
    "Monitoring",
    "Network",
    "Storage",
    "TrainingCluster",
]
