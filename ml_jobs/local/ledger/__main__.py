"""`python -m ml_jobs.local.ledger CONFIG.json`."""

from ml_jobs.local.ledger.service import start
from ml_jobs.local.process import main

if __name__ == "__main__":
    main(start)
