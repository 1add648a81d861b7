"""One browser for all tests of the page; a stack and a tab for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ml_jobs.local.page import sources
from tests.page import browser as chromium
from tests.page import fixtures, world
from tests.page.fixtures import Stack

expect.set_options(timeout=20_000)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other things must not make a peer look dead."""
    monkeypatch.setattr(sources, "PATIENCE_S", 15)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Closed with this folder's last test: while it is open, the main thread can run no event loop of another."""
    path = chromium.find()
    if path is None:
        pytest.fail(f"no Chromium was found. {chromium.REMEDY}")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=chromium.flags())
        yield opened
        opened.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[world.World], Stack]]:
    """Serve the page over a world, until the test ends."""
    with ExitStack() as stacks:
        yield lambda made: stacks.enter_context(fixtures.stack(tmp_path, made))


@pytest.fixture
def busy(served: Callable[[world.World], Stack]) -> Stack:
    return served(world.busy())


class Tab:
    """A page of the browser that notes every request and everything the console complains of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None
        )

    def open(self, url: str) -> Page:
        self.page.goto(url)
        self.page.wait_for_selector("#main[aria-busy=false]", state="attached")
        return self.page


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """`tab(width=390, dark=True)`: a new tab of its own context."""
    contexts = []

    def new(width: int = 1440, *, dark: bool = False, motion: str = "no-preference") -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if motion == "reduce" else "no-preference",
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        return Tab(context.new_page())

    yield new
    for context in contexts:
        context.close()
