"""Frameworks: which rules give evidence for which control, and what is left for a person to look at."""

from policies.frameworks.assess import ControlReport, Examined, State, assess
from policies.frameworks.model import NAMES, Control, Framework, load, unmapped

__all__ = ["NAMES", "Control", "ControlReport", "Examined", "Framework", "State", "assess", "load", "unmapped"]
