"""Importing this module imports what ranks need, so that ranks forked afterwards are up in a fraction of a second.

It starts no thread when OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and MKL_NUM_THREADS are 1 and JE_ARROW_MALLOC_CONF is
`background_thread:false`: forking is safe then. What is not installed is left out; a job that needs it says so.
"""

from __future__ import annotations

import contextlib
import importlib

MODULES = (
    "torch",
    "torch.distributed",
    "torch.nn.parallel",
    "torch._dynamo",  # the first DistributedDataParallel of a process imports it, which takes seconds
    "safetensors.torch",
    "sklearn.datasets",
    "sklearn.model_selection",
    "fsspec.implementations.local",
    "httpx",
    "ml_jobs.runtime.main",
    "ml_jobs.runtime.run",
    "ml_jobs.registry.client",
    "ml_jobs.registry.runs",
    "ml_jobs.train.digits_model",
    "ml_jobs.train.digits",
)

for _module in MODULES:
    with contextlib.suppress(ImportError):
        importlib.import_module(_module)
