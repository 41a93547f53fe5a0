"""The machine's installed Chromium, headless. Invariant: no browser is downloaded.

Playwright only controls it (docs/adr/0014). The browser is the one in `PIPELINE_CHROMIUM`, or the
first of the usual names on PATH.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",  # they take width here, but not on a phone
)
MISSING = "no Chromium: install chromium or google-chrome, or name one in PIPELINE_CHROMIUM"


def chromium() -> str | None:
    """Return the path of the browser, or None if it is not installed."""
    named = os.environ.get("PIPELINE_CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else _NAMES)), None)


@contextmanager
def browser_at(program: str) -> Iterator[Browser]:
    """Start the browser with its own profile. It stops at the end of the block."""
    with sync_playwright() as playwright:
        # Chromium's sandbox does not run as root, and containers forbid it for other users.
        browser = playwright.chromium.launch(
            executable_path=program, args=_FLAGS, chromium_sandbox=False
        )
        yield browser
        browser.close()


def overflow(page: Page) -> int:
    """Return how many pixels the page is wider than its window."""
    pixels: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return pixels
