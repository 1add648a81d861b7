"""The page when something is missing, away, old or hostile."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from playwright.sync_api import expect

from tests.page import world
from tests.page.conftest import Tab
from tests.page.fixtures import Stack

NewTab = Callable[..., Tab]
Serve = Callable[[world.World], Stack]


def test_without_a_token_it_says_how_to_open_it(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.url)
    expect(page.locator("#notice")).to_contain_text("needs the stack's viewer token")
    expect(page.locator("#notice code")).to_have_text("skywright page")
    expect(page.locator("#live")).to_have_text("Locked")


def test_a_wrong_token_shows_nothing_and_a_right_one_mends_it(busy: Stack, tab: NewTab) -> None:
    page = tab().open(f"{busy.url}/#token=wrong")
    expect(page.locator("#notice")).to_contain_text("does not know the token")
    assert world.RUN not in page.content() and not page.locator("main").is_visible()
    page.evaluate(f"location.hash = 'token={busy.token}'")
    expect(page.locator("#run")).to_contain_text(world.RUN)
    expect(page.locator("#notice")).to_be_empty()


def test_a_stack_on_which_nothing_has_run_says_what_to_type(served: Serve, tab: NewTab) -> None:
    page = tab(390).open(served(world.empty()).opened)
    for panel, command in (
        ("run", "skywright train"),
        ("releases", "skywright release"),
        ("models", "skywright train"),
    ):
        expect(page.locator(f"#{panel} .empty code")).to_contain_text(command)
    expect(page.locator("#alarms")).to_contain_text("None firing")
    expect(page.locator("#slots")).to_contain_text("idle")
    expect(page.locator("#budget")).to_contain_text("$0.00")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_waiting_run_has_no_time_line_yet(busy: Stack, tab: NewTab) -> None:
    page = tab().open(f"{busy.url}/?run={world.WAITING}#token={busy.token}")
    expect(page.locator("#run .chosen")).to_contain_text("Waiting for a slot")


def test_a_peer_that_dies_leaves_its_last_state_and_the_others_live(busy: Stack, tab: NewTab) -> None:
    page = tab().open(busy.opened)
    busy.world.away |= {"scheduler", "ledger"}
    expect(page.locator("#notice")).to_contain_text("scheduler (answered 503)")
    expect(page.locator("#notice")).to_contain_text("ledger")
    expect(page.locator("#run")).to_contain_text("scheduler is away; last heard")
    expect(page.locator("#run")).to_contain_text(world.RUN)
    expect(page.locator("#budget")).to_contain_text("$2.73")
    busy.world.releases["canary"]["weight_percent"] = 11
    expect(page.locator("#releases tbody")).to_contain_text("11")
    busy.world.away.clear()
    expect(page.locator("#notice")).to_be_empty()


def test_a_peer_never_heard_of_is_said_in_its_panel(served: Serve, tab: NewTab) -> None:
    stack = served(world.busy())
    stack.world.away |= {"registry", "router"}
    page = tab().open(stack.opened)
    expect(page.locator("#models .empty")).to_contain_text("The registry answered 503")
    expect(page.locator("#releases .empty")).to_contain_text("The router answered 503")
    expect(page.locator("#run")).to_contain_text(world.RUN)


def test_a_monitor_that_dies_leaves_the_page_marked_as_old(busy: Stack, tab: NewTab) -> None:
    opened = tab()
    page = opened.open(busy.opened)
    page.route("**/api/page*", lambda route: route.abort())
    expect(page.locator("#notice")).to_contain_text("The monitor does not answer")
    expect(page.locator("#live")).to_contain_text("Stale")
    expect(page.locator("#run")).to_contain_text(world.RUN)
    expect(page.locator("#announce")).to_contain_text("what is shown is old")
    page.unroute("**/api/page*")
    expect(page.locator("#live")).to_contain_text("Live")
    expect(page.locator("#announce")).to_have_text("Connected again.")


def test_names_that_look_like_markup_stay_text(served: Serve, tab: NewTab) -> None:
    evil = "<script>window.owned=1</script><img src=x onerror=window.owned=1>"
    made = world.busy()
    made.jobs[1] |= {"message": evil, "team": evil}
    made.slots[0] |= {"id": evil, "pool": evil}
    made.queue[0] |= {"id": evil, "reason": evil}
    made.releases[evil] = made.releases.pop("canary")
    made.versions["digits"][0] |= {"model": evil, "by": evil, "job": evil}
    made.versions["digits"][0]["approval"] |= {"reason": evil, "by": evil}
    made.versions[evil] = [world.version(1, made.now, 0.5, "pending", evil)]
    made.alarms[0] |= {"name": evil, "condition": evil}
    made.budget["holds"][0] |= {"reason": evil, "by": evil, "scope": evil}
    made.events[world.RUN] += [{"at": made.now, "type": "failed", "exit_code": 1, "message": evil}]
    made.events[world.RUN] += [{"at": made.now, "type": "metrics", "step": 400, "values": {evil: 1.0, "loss": 0.1}}]
    opened = tab()
    page = opened.open(served(made).opened)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    expect(page.locator("#slots")).to_contain_text(evil)
    expect(page.locator("#run .said")).to_have_text(evil)
    assert page.evaluate("window.owned") is None
    assert page.locator("main script, main img").count() == 0
    assert opened.complaints == []


def test_the_browser_is_told_to_run_and_fetch_nothing_from_elsewhere(busy: Stack) -> None:
    for path in ("/", "/assets/app.js", "/assets/page.css", "/assets/icon.svg"):
        answer = httpx.get(busy.url + path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(f"{busy.url}/assets/..%2f__init__.py").status_code == 401  # no rule lets it through
    assert httpx.get(f"{busy.url}/assets/none.js").status_code == 404
    assert httpx.get(f"{busy.url}/api/page").status_code == 401
