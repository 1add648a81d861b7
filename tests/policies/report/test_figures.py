"""What all faces count and add up in the same way (tier: pure)."""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.cost import Estimate, Line
from policies.enforcement import Level
from policies.report import figures, markdown, page, terminal
from policies.report.model import FindingLine, Review
from policies.rule import Severity

EMPTY = Review("s", "dev", "aws", "eu-west-1", "graph", "2026-11-24T12:00:00+00:00", examined=0, rules=3)


def finding(severity: Severity = Severity.HIGH, status: str = "violated", resource: str = "r") -> FindingLine:
    level = Level.MANDATORY if severity.rank >= 2 and status == "violated" else Level.ADVISORY
    return FindingLine("rule", "Title", severity, level, status, resource, "t", "at", "at is absent", "Why.", "Remedy.")


def line(part: str, usd: str | None, source: str = "", resource: str = "r") -> Line:
    amount = None if usd is None else Decimal(usd)
    return Line(resource, "hours", amount, amount, amount, "", source, "compute", part)


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ((), "An update may go on No finding is open."),
        ((finding(),), "An update would be stopped 1 finding must be mended first."),
        ((finding(Severity.LOW),), "An update may go on 1 finding to look at, none of which stops it."),
        ((finding(status="unknown"),), "An update may go on No finding is open. 1 more can't be told before it."),
        ((finding(status="exempted"),), "An update may go on No finding is open."),
    ],
)
def test_the_verdict_is_what_the_engine_would_do(findings: tuple[FindingLine, ...], said: str) -> None:
    review = dataclasses.replace(EMPTY, findings=findings)
    assert " ".join(figures.verdict(review)) == said
    assert review.is_blocked is said.startswith("An update would be stopped")


def test_what_nobody_knows_is_no_zero() -> None:
    estimate = Estimate((line("training", None), line("network", "3.00"), line("network", None)))
    network, training = figures.bars(estimate, by_part=True)
    assert (network.name, network.likely, network.unknown) == ("network", Decimal("3.00"), 1)
    assert (training.name, training.likely, training.unknown) == ("training", None, 1)
    review = dataclasses.replace(EMPTY, estimate=estimate)
    for text in (terminal.render(review), markdown.render(review), page.render(review)):
        assert not re.search(r"(?<![\d.])0\.00(?![\d\"])", text)
        assert "2 unknown lines" in text or "2 lines unknown" in text


def test_a_sum_of_what_nobody_knows_is_unknown() -> None:
    review = dataclasses.replace(EMPTY, estimate=Estimate((line("training", None),)))
    assert "Cost of a month: unknown USD" in terminal.render(review)
    assert "**unknown USD + 1 unknown line**" in markdown.render(review)
    assert '<dd class="value">unknown</dd>' in page.render(review)


amounts = st.none() | st.decimals("-50", "5000", places=2)


@given(st.lists(st.tuples(st.sampled_from(["training", "network", ""]), amounts), max_size=20))
def test_the_bars_sum_to_the_total(drawn: list[tuple[str, Decimal | None]]) -> None:
    estimate = Estimate(tuple(line(part, None if usd is None else str(usd)) for part, usd in drawn))
    for by_part in (True, False):
        bars = figures.bars(estimate, by_part=by_part)
        assert sum((bar.likely or Decimal(0) for bar in bars), Decimal(0)) == estimate.total
        assert sum(bar.unknown for bar in bars) == len(estimate.unknown)


def test_prices_are_traced_to_who_said_them_and_when() -> None:
    remembered = "services.csv:46, remembered list price; not found in any source here, undated"
    both = "instances-gcp.csv:3, a/b@1 vms.csv, 2026-07-30; services.csv:9, c/d@2 e.golden, 2025-07-04"
    estimate = Estimate(
        (
            line("a", "1.00", both),
            line("b", "2.00", remembered),
            line("c", "4.00", "the stack's usage"),
            line("d", None),
        )
    )
    assert figures.sources(estimate) == [
        figures.Source("the stack's usage", "", 1, Decimal("4.00")),
        figures.Source("remembered list price; not found in any source here", "", 1, Decimal("2.00")),
        figures.Source("a/b@1 vms.csv", "2026-07-30", 1, Decimal("1.00")),
        figures.Source("c/d@2 e.golden", "2025-07-04", 1, Decimal("1.00")),
    ]


def test_a_comment_stays_below_what_the_host_takes_and_says_so() -> None:
    findings = tuple(
        dataclasses.replace(finding(resource=f"r{index}"), detail="x" * 3_000, rule=f"rule-{index}")
        for index in range(60)
    )
    text = markdown.render(dataclasses.replace(EMPTY, findings=findings))
    assert len(text) <= 65_536
    assert "left out here" in text
    assert text.startswith("<!-- skywright-review: s -->\n## Review of s: an update would be stopped")


def test_a_comment_calls_nobody_and_links_nowhere() -> None:
    nasty = "see https://evil.example and ask @everyone, #12, ![x](y)"
    text = markdown.render(dataclasses.replace(EMPTY, findings=(dataclasses.replace(finding(), detail=nasty),)))
    assert "@everyone" not in text and "https://evil" not in text and "![" not in text


def test_a_mark_can_t_be_closed_by_a_stack_s_name() -> None:
    text = markdown.render(dataclasses.replace(EMPTY, stack="a--> <b>"))
    assert text.splitlines()[0] == "<!-- skywright-review: a--___b_ -->"
