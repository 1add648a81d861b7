"""What a stack costs in a month, from its declarations and a catalogue of list prices; nothing is asked of a cloud."""

from policies.cost.estimating import estimate
from policies.cost.model import Change, Estimate, Line, ResourceChange, change
from policies.cost.usage import Usage

__all__ = ["Change", "Estimate", "Line", "ResourceChange", "Usage", "change", "estimate"]
