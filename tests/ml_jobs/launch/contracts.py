"""Contracts of the example stacks, and jobs for them, for tests of launchers."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import strategies as st

from ml_jobs.contract import Capacity, CheckpointPolicy, Input, JobSpec, Resources, Retries, StackContract
from ml_jobs.launch import jobs

STACKS = Path(__file__).parent / "stacks"
IMAGE = "registry.example.com/skywright@sha256:" + "0123456789abcdef" * 4
NAMES = st.from_regex(r"\A[a-z][a-z0-9-]{0,39}\Z")
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)


def contract(stack: str) -> StackContract:
    """What the example stack of this name exports (tier: graph; tests/graph/test_contracts.py holds it to that)."""
    return StackContract.read(json.loads((STACKS / f"{stack}.json").read_text()), where=stack)


def digits(**changes: object) -> JobSpec:
    """The sample job with an image."""
    return jobs.adjusted(jobs.find("digits"), **{"image": IMAGE, **changes})


def job_specs(stack: StackContract, **fixed: st.SearchStrategy[object]) -> st.SearchStrategy[JobSpec]:
    """Jobs that some pool of the stack can run. `fixed`: strategies for fields that the stack restricts further."""
    return st.sampled_from(stack.pools).flatmap(lambda pool: _for_pool(pool, fixed))


def _for_pool(pool, fixed):  # type: ignore[no-untyped-def]
    resources = st.builds(
        Resources,
        accelerator=st.just(pool.accelerator),
        count=st.integers(1, pool.count),
        nodes=st.integers(1, max(1, pool.max_count)),
        cpu=st.sampled_from([0.5, 1.0, 2.0]),
    )
    capacity = [Capacity.SPOT_PREFERRED, Capacity.SPOT_ONLY if pool.is_spot else Capacity.ON_DEMAND_ONLY]
    fields: dict[str, st.SearchStrategy[object]] = {
        "name": NAMES,
        "team": st.sampled_from(["research", "recommendations"]),
        "entry": st.just("package.module:function"),
        "params": st.dictionaries(NAMES, st.integers() | st.booleans() | TEXT, max_size=4),
        "image": st.just(IMAGE),
        "resources": resources,
        "capacity": st.sampled_from(capacity if pool.is_spot else capacity[1:]),
        "deadline_s": st.none() | st.floats(60, 20 * 86_400),
        "retries": st.builds(Retries, failure=st.integers(0, 20)),
        "inputs": st.lists(st.builds(Input, name=NAMES, url=st.just("s3://data/a")), max_size=2).map(tuple),
        "output": st.none() | NAMES,
        "checkpoint": st.builds(CheckpointPolicy, keep=st.integers(1, 100)),
        "env": st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{0,30}\Z"), TEXT, max_size=4),
        "tags": st.dictionaries(NAMES, NAMES, max_size=4),
        "data_classification": st.sampled_from(["public", "internal", "personal", "health"]),
    }
    return st.builds(JobSpec, **{**fields, **fixed})
