"""Every alert's mail in a real browser, in the width of a phone and of a mail program."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from scripts.alerts.incident import Incident, IncidentRecord, Kind
from scripts.alerts.messages import Notice, notice_of
from tests.chromium import overflow
from tests.unit.alerts.samples import GOLDEN, PLACE, notices

pytestmark = pytest.mark.browser

_FACTS = """rows => Object.fromEntries(rows.map(
    row => [row.querySelector("th").innerText, row.querySelector("td").innerText]))"""
_LINKS = "links => links.map(link => [link.innerText, link.getAttribute('href')])"
_BROKEN_WORDS = """labels => labels.filter(label => {
    const range = document.createRange();
    range.selectNodeContents(label);
    return !label.innerText.includes(" ") && range.getClientRects().length > 1;
}).map(label => label.innerText)"""
_HOSTILE = ("x" * 10_000, "&" * 10_000, "<script>document.title = 'hacked'</script>" * 50)


@pytest.fixture(scope="module", params=[320, 600], ids="{} px".format)
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the given width, shared by all documents."""
    page = browser.new_page(viewport={"width": request.param, "height": 800})
    yield page
    page.close()


def assert_shows(page: Page, notice: Notice) -> None:
    """Check that the page shows every fact and link of the notice and fits its width."""
    expected = {label: " ".join(text.split()) for label, text in notice.details + notice.facts}
    assert page.eval_on_selector_all("tr", _FACTS) == expected
    assert page.eval_on_selector_all("a", _LINKS) == [list(link) for link in notice.links]
    assert notice.subject in page.inner_text("h1")
    assert notice.footer in page.inner_text("body")
    assert page.title() == notice.subject
    assert overflow(page) == 0


@pytest.mark.parametrize("name", sorted(notices()))
def test_a_mail_shows_every_fact_and_fits(page: Page, name: str) -> None:
    page.goto((GOLDEN / f"{name}.html").as_uri())
    assert_shows(page, notices()[name])
    assert page.eval_on_selector_all("th", _BROKEN_WORDS) == []


@pytest.mark.parametrize("hostile", _HOSTILE, ids=["letters", "ampersands", "script"])
def test_hostile_data_neither_widens_a_mail_nor_runs(page: Page, hostile: str) -> None:
    facts = {"Error": hostile, hostile[:60]: "a fact with a long name"}
    notice = notice_of(
        IncidentRecord(Incident.new(Kind.RUN_FAILED, hostile, None, facts), 1), PLACE, None
    )
    page.set_content(notice.html())
    assert_shows(page, notice)


def test_what_is_too_wide_is_noticed(page: Page) -> None:
    page.set_content("<p style='width:700px'>wide")
    assert overflow(page) > 0
