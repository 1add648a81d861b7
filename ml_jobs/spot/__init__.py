"""Spot, on-demand or wait: the planner, and what it is tried on and applied by."""

from __future__ import annotations

from ml_jobs.spot.observation import Capacity, Observation
from ml_jobs.spot.planner import decide

__all__ = ["Capacity", "Observation", "decide"]
