"""The budget that acts: which steps spending has reached, and the actors that carry them out on each cloud.

`ladder.py`, `actor.py` and the clouds' files import nothing but the standard library and the SDK that the cloud's own
function runtime brings: a function's archive holds `ml_jobs/__init__.py` and this folder, nothing else.
"""
