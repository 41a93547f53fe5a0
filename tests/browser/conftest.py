"""One browser for all tests of this folder."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.chromium import MISSING, browser_at, chromium
from tests.tools import unavailable


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; skips, with the reason, where there is none.

    It ends with this folder: until then its event loop is this thread's own.
    """
    program = chromium()
    if program is None:
        unavailable(MISSING)
    with browser_at(program) as browser:
        yield browser
