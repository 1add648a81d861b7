"""The local stack's processes. Each is `python -m ml_jobs.local.<name> CONFIG.json`, and is talked to by HTTP."""
