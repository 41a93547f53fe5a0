"""Write the pictures. Invariant: no picture is too large for a README."""

from pathlib import Path

from playwright.sync_api import Locator, Page

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
MOST_BYTES = 200_000


def shot(page: Page, name: str, *, is_whole_page: bool = False, of: Locator | None = None) -> None:
    """Write a picture of the window, the whole page, or one element."""
    file = FOLDER / f"{name}.png"
    if of is None:
        page.screenshot(path=file, full_page=is_whole_page, animations="disabled")
    else:
        of.screenshot(path=file, animations="disabled")
    size = file.stat().st_size
    assert size <= MOST_BYTES, f"{file.name} has {size:,} bytes"
