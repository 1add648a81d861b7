"""Every enum, required and pattern input of every declared type, corrupted once: refused as the cloud would."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from infra.rehearsal.core import refusing
from tests.rehearsal.mutations import Mutation, mutations
from tests.rehearsal.recorded import REPO, STACKS, Declared, cloud_of, recorded

CLOUDS = [cloud for cloud in ("aws", "gcp", "azure") if (REPO / "components" / cloud / "budget.py").exists()]

OF_SDK = r"Unsupported argument: |Missing required argument: |Incorrect type: |Unsupported value: "
WORDS = {
    "aws": r"([A-Z]\w+(\.\w+)*): .+",
    "gcp": r".+",
    "azure": r".+",
}
"""How each cloud begins its refusals."""

pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")


def of_cloud(cloud: str) -> list[Declared]:
    stacks = [file.name.split(".")[1] for file in sorted(STACKS.glob(f"Pulumi.{cloud}-*.yaml"))]
    assert stacks
    return [item for stack in stacks for item in recorded(stack) if cloud_of(item.token)]


def mutated(cloud: str) -> Iterator[tuple[Declared, Mutation]]:
    seen = set()
    for item in of_cloud(cloud):
        home = cloud_of(item.token)
        assert home is not None
        for mutation in mutations(home, item.token, item.inputs, home.place({}, item.inputs)):
            if (key := (item.token, *mutation.key)) not in seen:
                seen.add(key)
                yield item, mutation


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_the_examples_declare_is_not_refused(cloud: str) -> None:
    refused = {f"{item.token} {item.name}": item.refusals for item in of_cloud(cloud) if item.refusals}
    assert refused == {}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nearly_all_that_the_examples_declare_is_accepted(cloud: str) -> None:
    """A model agreed, and every declared input reached the request or has a reason; the rest is named."""
    proofs = [item.proof for item in of_cloud(cloud) if item.proof]
    left = {proof.token: (proof.judge, proof.unaccounted) for proof in proofs if proof.tier != "accepted"}
    assert sum(proof.tier == "accepted" for proof in proofs) >= 0.95 * len(proofs), left


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_corrupted_input_is_refused_in_the_clouds_words(cloud: str) -> None:
    taken, odd, counts = [], [], {"enum": 0, "required": 0, "pattern": 0, "unknown": 0, "type": 0}
    for item, mutation in mutated(cloud):
        home = cloud_of(item.token)
        assert home is not None
        counts[mutation.sort] += 1
        judged = refusing.verdict(home, item.token, mutation.inputs, home.place({}, mutation.inputs))
        said = [refusal.message for refusal in judged.refusals]
        if not said:
            taken.append(f"{item.token} {mutation.path}: {mutation.sort}, {mutation.value!r:.40}")
        odd += [text for text in said if not re.match(f"{OF_SDK}|{WORDS[cloud]}", text, re.DOTALL)]
    assert taken == []
    assert odd == []
    assert min(counts[sort] for sort in ("enum", "required", "unknown", "type")) > 10, counts
