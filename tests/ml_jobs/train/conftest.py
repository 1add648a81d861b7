"""The train tests run real ranks too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from ranks import job, nursery

__all__ = ["job", "nursery"]
