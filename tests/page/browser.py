"""The browser that the page's tests drive."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--hide-scrollbars", "--font-render-hinting=none",
]  # fmt: skip
REMEDY = "Run tests/page/install-browser, or set CHROMIUM to a Chromium's path."


def find() -> str | None:
    """Path of a Chromium: CHROMIUM, one on PATH, else playwright's own; None when there is none."""
    if given := os.environ.get("CHROMIUM"):
        return given if Path(given).is_file() else None
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


def flags() -> list[str]:
    """Flags for a headless run; root needs one more, since Chromium's sandbox refuses root."""
    return [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS


def main() -> int:
    """Print the browser's path; 1 with the remedy when there is none."""
    path = find()
    sys.stdout.write(f"{path}\n") if path else sys.stderr.write(f"error: no Chromium was found. {REMEDY}\n")
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
