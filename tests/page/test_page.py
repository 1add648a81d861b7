"""The page in a headless Chromium, over make-believe peers."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.page import world
from tests.page.conftest import Tab
from tests.page.fixtures import Stack

NewTab = Callable[..., Tab]
PANELS = ("run", "releases", "models", "budget", "slots", "alarms", "audit")


def text(page: Page, panel: str) -> str:
    return page.locator(f"#{panel}").inner_text().replace("\xa0", " ")


def test_shows_the_whole_stack_from_this_host_alone_without_a_complaint(busy: Stack, tab: NewTab) -> None:
    opened = tab()
    page = opened.open(busy.opened)
    run = text(page, "run")
    for said in (world.RUN, "running", "attempt 1, spot", "attempt 3, on demand", "work lost", "87.1 %", "$0.00301"):
        assert said in run
    assert page.locator("#run .mark.preempted").count() == 3  # two on the line, one in the legend
    assert page.locator("#run svg .mark.resumed").count() == 3
    assert page.locator("#run .line.gone").count() == 2
    releases = text(page, "releases")
    for said in ("stable", "digits v1", "90 %", "canary", "0.40 %", "97.5 % agree", "of 240", " ms"):
        assert said in releases
    models = text(page, "models")
    for said in (
        "digits v3",
        "pending",
        "waits for an approver",
        "98.06 %",
        "grace",
        "4c043e9, changed",
        "serves 90 %",
    ):
        assert said in models
    budget = text(page, "budget")
    for said in ("$2.73", "of $5.00 in 2026-11", "stop spot jobs", "skywright budget release 5d0c11aa --reason WHY"):
        assert said in budget
    assert page.locator("#budget .track .step").count() == 4
    assert page.locator("#budget .track .step.reached").count() == 1
    slots = text(page, "slots")
    for said in ("cpu-0", "busy", "away", "notice", world.WAITING, "needs 2 slots of pool cpu", "$0.40/h"):
        assert said in slots
    assert "queue-wait" in text(page, "alarms") and "latency-p99" in text(page, "alarms")
    audit = text(page, "audit")
    assert "Chain verified, 12 entries" in audit and "refused" in audit
    assert {re.sub(r"(https?://[^/]+).*", r"\1", url) for url in opened.requests} == {busy.url}
    assert opened.complaints == []


def test_the_token_leaves_the_address_and_survives_a_reload(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened)
    assert busy.token not in page.url
    page.reload()
    expect(page.locator("#run h3").first).to_contain_text(world.RUN)


def test_news_arrive_without_losing_focus_scroll_or_selection(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened)
    button = page.locator("#run .runlist button", has_text=world.OTHER)
    button.focus()
    page.evaluate("document.querySelector('#audit .scroll').scrollTop = 40")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#releases tbody th b'))")
    page.evaluate("window.kept = document.activeElement")
    scrolled, selected = page.evaluate("[document.querySelector('#audit .scroll').scrollTop, String(getSelection())]")
    made = world.job("fresh-00000001", "queued", busy.world.now)
    busy.world.jobs.insert(0, made)
    busy.world.releases["stable"]["weight_percent"], busy.world.releases["canary"]["weight_percent"] = 0, 100
    expect(page.locator("#run .runlist")).to_contain_text("fresh-00000001")
    expect(page.locator("#releases tbody tr").first).to_contain_text("canary")
    assert page.evaluate("document.activeElement === window.kept")
    assert selected == "stable" == page.evaluate("String(getSelection())")
    assert page.evaluate("document.querySelector('#audit .scroll').scrollTop") == scrolled > 0


def test_a_run_is_chosen_and_stays_chosen(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened)
    page.locator("#run .runlist button", has_text=world.FAILED).press("Enter")
    expect(page.locator("#run .said")).to_contain_text("allowed: a whole number")
    page.reload()
    expect(page.locator("#run h3").first).to_contain_text(world.FAILED)
    expect(page.locator("#run [aria-pressed=true]")).to_contain_text(world.FAILED)


def test_the_time_line_is_read_with_the_keyboard_and_the_pointer(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened + "&")
    plot = page.locator("#run .plot")
    plot.focus()
    plot.press("Home")
    expect(plot).to_have_attribute("aria-valuetext", re.compile("Submitted"))
    for _ in range(12):
        plot.press("PageDown")
        if "Preempted" in (plot.get_attribute("aria-valuetext") or ""):
            break
    expect(page.locator("#run .tip")).to_contain_text("Preempted")
    expect(page.locator("#run .tip")).to_contain_text("5.0 s of notice")
    plot.press("End")
    plot.press("ArrowLeft")
    expect(plot).to_have_attribute("aria-valuetext", re.compile(r"Step \d+, loss 0\.\d+|Checkpoint"))
    plot.press("Escape")
    expect(page.locator("#run .tip")).to_have_count(0)
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 80)
    expect(page.locator("#run .tip")).to_contain_text(re.compile(r"loss \d"))


def test_another_metric_can_be_drawn(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened)
    page.locator("#run select").select_option("accuracy")
    expect(page.locator("#run .what")).to_have_text("accuracy")
    expect(page.locator("#run .facts")).to_contain_text("accuracy")


def test_everything_that_acts_is_reached_by_tab_and_shows_it(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened)
    reached, outlined = [], []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(e => [e.className || e.localName, e.localName, getComputedStyle(e).outlineStyle])(document.activeElement)"
        )
        if found[1] == "body":
            break
        reached.append(found[0])
        outlined.append(found[2])
    assert reached[0] == "skip"
    for wanted in ("tile ", "button", "select", "plot", "summary", "scroll tall"):
        assert any(wanted in name for name in reached), (wanted, reached)
    assert set(outlined) == {"solid"}


def test_is_sound_for_a_screen_reader(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened)
    for landmark in ("banner", "main", "navigation", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)  # type: ignore[arg-type]
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(e => Number(e.localName[1]))")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    for panel in PANELS:
        expect(page.locator(f"section#{panel}")).to_have_accessible_name(re.compile(r"\w+"))
    assert page.evaluate(
        "[...document.querySelectorAll('table')].every(t => t.caption && t.caption.textContent.trim())"
    )
    expect(page.get_by_role("slider")).to_have_accessible_name(re.compile("3 attempts, 2 preemptions"))
    expect(page.get_by_role("meter")).to_have_attribute("aria-valuetext", re.compile("54.6"))
    assert page.locator("[aria-live]").count() == 1


def test_nothing_runs_over_the_side(busy: Stack, tab: NewTab) -> None:
    busy.world.jobs[1]["message"] = "x" * 300
    page = tab().open(busy.opened)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    for width in (1440, 768, 390, 320):
        page.set_viewport_size({"width": width, "height": 900})
        fits = "document.querySelector('#run svg').getBoundingClientRect().right <= innerWidth"
        for _ in range(200):  # from here: waiting inside the page would take an eval, which it forbids
            if page.evaluate(fits):
                break
            page.wait_for_timeout(25)
        assert page.evaluate(fits)
        over = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => !e.closest('.hidden, .skip, svg, thead') &&"
            " e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120))"
        )
        assert over == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width


CONTRAST = """() => {
  const rgb = (text) => { const c = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c[3] === 255) return c;
    }
    return [255, 255, 255];
  };
  const poor = [], seen = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (e.closest(".hidden, .skip, noscript") || !e.checkVisibility()) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e), isSvg = e.namespaceURI.endsWith("svg");
    const a = light(rgb(isSvg ? style.fill : style.color)), b = light(behind(isSvg ? e.closest(".panel") : e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen.add(e);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 90)}`);
  }
  return [seen.size, poor];
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast(busy: Stack, tab: NewTab, dark: bool) -> None:
    page = tab(dark=dark).open(busy.opened)
    seen, poor = page.evaluate(CONTRAST)
    assert seen > 150 and poor == []
    busy.world.away |= {"scheduler", "ledger"}
    expect(page.locator("#notice .banner")).to_be_visible()
    seen, poor = page.evaluate(CONTRAST)
    assert seen > 150 and poor == []


def test_follows_the_systems_dark_mode_and_calm(busy: Stack, tab: NewTab) -> None:
    grounds = []
    for dark in (False, True):
        page = tab(dark=dark, motion="reduce").open(busy.opened)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.evaluate("getComputedStyle(document.querySelector('.live'), '::before').animationName") == "none"
    lightness = [sum(map(int, re.findall(r"\d+", ground)[:3])) for ground in grounds]
    assert lightness[0] > 600 and lightness[1] < 120
