"""What README says that each platform can do is what the launchers refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from contracts import IMAGE, contract, digits

from catalog.errors import UserError
from ml_jobs.contract import JobSpec
from ml_jobs.launch import features, jobs
from ml_jobs.launch.base import LAUNCHERS, Feature, Launcher, Origin, asked, launcher, launcher_class, of_stack

README = Path(__file__).parents[3] / "README.md"
STACKS = {"kubernetes": "kubernetes-prod", "aws": "aws-prod", "gcp": "gcp-prod", "azure": "azure-prod"}
ASKS = {
    Feature.PRIORITY: {"priority": 5},
    Feature.QUEUES: {"queue": "somewhere"},
    Feature.SECRETS: {"secret_refs": {"TOKEN": "team-token"}},
}


def test_readme_has_the_table_that_the_classes_make() -> None:
    text = README.read_text()
    assert text.split(features.BEGIN)[1].split(features.END)[0].strip() == features.as_markdown()


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_reason_says_what_to_do_instead(name: str) -> None:
    lacks = launcher_class(name).lacks
    assert all(reason.endswith(".") and len(reason) > 30 for reason in lacks.values())


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("feature", ASKS)
def test_what_a_platform_lacks_is_refused_in_its_words_before_anything_is_sent(name: str, feature: Feature) -> None:
    stack = contract(STACKS[name])
    pool = stack.pools[-1]
    job = jobs.adjusted(
        digits(**ASKS[feature]), resources={"accelerator": pool.accelerator, "count": 1}, team="research", image=IMAGE
    )
    sender: Launcher = launcher(stack)
    assert feature in asked(job)
    if feature in sender.lacks:
        with pytest.raises(UserError) as refused:
            sender.render(job, Origin("digits-00000000", "ada", 1.0))
        assert sender.lacks[feature].rstrip(".") in str(refused.value)


def test_a_stack_with_queues_on_a_cluster_is_launched_there() -> None:
    assert [of_stack(contract(name)) for name in ("aws-prod", "aws-cluster", "gcp-prod", "azure-prod")] == [
        "aws", "kubernetes", "gcp", "azure",
    ]  # fmt: skip


def test_a_job_asks_for_nothing_that_it_does_not_name() -> None:
    assert asked(JobSpec(name="plain", entry="a:b")) == set()
