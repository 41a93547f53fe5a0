"""The machine's own Chromium, without a screen. Invariant: no browser is downloaded.

Playwright only drives it (docs/adr/0014): the browser is the one that `PIPELINE_CHROMIUM` names, or
the first of its usual names on PATH.
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
    "--hide-scrollbars",  # they would take width here, and none on a telephone
)
MISSING = "no Chromium: install chromium or google-chrome, or name one in PIPELINE_CHROMIUM"


def chromium() -> str | None:
    """Return the path of the browser, or None where there is none."""
    named = os.environ.get("PIPELINE_CHROMIUM")
    return next(filter(None, map(shutil.which, [named] if named else _NAMES)), None)


@contextmanager
def browser_at(program: str) -> Iterator[Browser]:
    """Start the browser with a profile of its own; it ends with the block."""
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to run as root, and containers forbid it to others.
        browser = playwright.chromium.launch(
            executable_path=program, args=_FLAGS, chromium_sandbox=False
        )
        yield browser
        browser.close()


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    pixels: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return pixels
