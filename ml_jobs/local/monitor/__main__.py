"""`python -m ml_jobs.local.monitor CONFIG.json`."""

from ml_jobs.local.monitor.service import start
from ml_jobs.local.process import main

if __name__ == "__main__":
    main(start)
