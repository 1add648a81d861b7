"""Screenshots of the page: `python -m tests.page.shoot OUT.png [--url URL] [--run ID] [--width N] [--dark]`.

Without --url a make-believe stack is shown; docs/page.png is taken with the URL that `skywright page --no-open` prints.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.page import browser, fixtures, world


@contextlib.contextmanager
def address(url: str | None, name: str) -> Iterator[str]:
    """The URL to show: the given one, or that of a make-believe stack."""
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder, fixtures.stack(Path(folder), getattr(world, name)()) as stack:
        yield stack.opened


def shoot(url: str, out: Path, *, width: int = 1440, height: int = 900, dark: bool = False, scale: float = 1) -> None:
    """Write the whole page, once it shows data, as a PNG. A URL without a token shows the page's locked state."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.flags())
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            device_scale_factor=scale,
            reduced_motion="reduce",
        )
        tab = context.new_page()
        tab.goto(url)
        tab.wait_for_selector("#main[aria-busy=false]", state="attached")
        tab.screenshot(path=str(out), full_page=True)
        chromium.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--run", help="the run whose time line is shown; the page's own choice if not given")
    parser.add_argument("--world", choices=("busy", "empty"), default="busy")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    if not browser.find():
        sys.stderr.write(f"error: no Chromium was found. {browser.REMEDY}\n")
        return 1
    with address(given.url, given.world) as url:
        if given.run:
            url = url.replace("/#", f"/?run={given.run}#")
        shoot(url, given.out, width=given.width, dark=given.dark, scale=given.scale)
    return 0


if __name__ == "__main__":
    sys.exit(main())
