"""The page *Health* as an on-call engineer sees it: a real Chromium, api-server and Postgres."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from local.stack import Stack
from tests import health as ledger
from tests.airflow_ui import context_of, log_in
from tests.chromium import overflow

pytestmark = pytest.mark.browser

PAGE = "/health-page/"
TAB = f"{PAGE}dags/transform_posts/"
_FOCUSED = "document.activeElement.href || document.activeElement.tagName"
_PATIENCE = 30_000  # milliseconds, long enough for a busy machine
_MARTS = list((Path(__file__).parents[2] / "dbt" / "models" / "marts").glob("*.sql"))


@pytest.fixture(scope="module")
def known(server: Stack) -> dict[str, Any]:
    return server.status()


@pytest.fixture(scope="module")
def user(browser: Browser, known: dict[str, Any]) -> Iterator[BrowserContext]:
    """The browser of a logged-in user."""
    context = context_of(browser, theme="dark")
    log_in(context.new_page(), known)
    yield context
    context.close()


@pytest.fixture
def page(user: BrowserContext) -> Iterator[Page]:
    page = user.new_page()
    yield page
    page.close()


@pytest.fixture
def at(known: dict[str, Any]) -> Callable[[str], str]:
    """Return the URL of a path of this Airflow."""
    return lambda path: urljoin(known["airflow_url"], path)


@contextmanager
def warehouse_down(server: Stack) -> Iterator[None]:
    """Make the warehouse refuse every connection. Airflow's database stays available."""
    with psycopg.connect(server.postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute("alter database warehouse allow_connections false")
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'warehouse'"
        )
        try:
            yield
        finally:
            admin.execute("alter database warehouse allow_connections true")


def assert_dark_or_light_as_airflow(page: Page) -> None:
    """Check that the framed page has the theme of the outer page, and follows its changes."""
    framed = page.frame_locator("iframe").locator("html")
    expect(framed).to_have_attribute("data-theme", "dark")
    page.evaluate("document.documentElement.classList.replace('dark', 'light')")
    expect(framed).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("state", ["green", "amber", "red", "grey"])
def test_each_state_is_shown_as_what_it_is(
    server: Stack, page: Page, at: Callable[[str], str], state: ledger.State
) -> None:
    ledger.seed(server.dsn("loader"), state)
    answer = page.goto(at(PAGE))
    assert answer
    assert answer.status == 200
    assert page.get_attribute("#health", "data-verdict") == state
    assert page.locator("#tiles [data-tile]").count() == 5
    assert page.locator("#plots svg").count() >= 4
    assert page.locator("#warehouse-down").count() == 0
    assert page.locator("#freshness [data-mart]").count() == len(_MARTS)
    needs = page.locator("#needs-a-human [data-need]").count()
    assert needs > 0 if state == "red" else needs == 0
    fresh = page.locator("#freshness [data-state=green]").count()
    assert (fresh == len(_MARTS)) == (state in {"green", "red"})  # red: the last day has no problem


def test_what_is_unknown_is_never_green(
    server: Stack, page: Page, at: Callable[[str], str]
) -> None:
    ledger.seed(server.dsn("loader"), "grey")
    page.goto(at(PAGE))
    assert page.locator("#verdict.green, #tiles .green, #freshness .green").count() == 0


def test_a_warehouse_that_is_down_is_a_card_and_airflow_is_unharmed(
    server: Stack, page: Page, at: Callable[[str], str]
) -> None:
    ledger.seed(server.dsn("loader"), "green")
    with warehouse_down(server):
        answer = page.goto(at(PAGE))
        assert answer
        assert answer.status == 503
        assert page.get_attribute("#health", "data-verdict") == "grey"
        assert "does not answer" in page.inner_text("#warehouse-down h2")
        assert server.state.secrets.reader not in page.content()
        page.goto(at("/dags/transform_posts"))
        page.get_by_text("transform_posts").first.wait_for(timeout=_PATIENCE)
        health = page.request.get(at("/api/v2/monitor/health")).json()
        assert health["metadatabase"]["status"] == "healthy"
    page.goto(at(PAGE))
    assert page.get_attribute("#health", "data-verdict") == "green"


def test_it_is_in_the_menu_and_its_links_open_in_airflow(
    server: Stack, page: Page, at: Callable[[str], str]
) -> None:
    ledger.seed(server.dsn("loader"), "red")
    page.goto(at("/"))
    page.get_by_role("link", name="Health").first.click(timeout=_PATIENCE)
    framed = page.frame_locator("iframe")
    expect(framed.locator("#health")).to_have_attribute("data-verdict", "red", timeout=_PATIENCE)
    assert_dark_or_light_as_airflow(page)
    page.evaluate("window.isTheSamePage = true")
    link = framed.locator("#needs-a-human a[href^='/dags/transform_posts/runs/']").first
    target = link.get_attribute("href")
    link.click()
    page.wait_for_url(f"**{target}", timeout=_PATIENCE, wait_until="commit")
    assert page.evaluate("window.isTheSamePage") is True


def test_it_is_a_tab_of_each_dag(server: Stack, page: Page, at: Callable[[str], str]) -> None:
    ledger.seed(server.dsn("loader"), "amber")
    page.goto(at("/dags/transform_posts"))
    tab = page.locator("a[href*='/dags/transform_posts/plugin/']")  # not the menu's
    tab.get_by_text("Health").click(timeout=_PATIENCE)
    framed = page.frame_locator("iframe")
    expect(framed.locator("#health")).to_have_attribute("data-verdict", "amber", timeout=_PATIENCE)
    assert "transform_posts" in framed.locator("h1").inner_text()


def test_nobody_sees_it_without_a_login(
    browser: Browser, known: dict[str, Any], at: Callable[[str], str]
) -> None:
    context = context_of(browser)
    page = context.new_page()
    wrong: Any = [{"name": "_token", "value": "wrong", "url": known["airflow_url"]}]
    assert _statuses(page, at) == [401, 401]
    assert _statuses(page, at, wrong) == [403, 403]
    log_in(page, known)
    kept: Any = context.cookies()
    assert _statuses(page, at) == [200, 200]
    page.goto(at("/api/v2/auth/logout"))
    assert _statuses(page, at) == [401, 401]
    assert _statuses(page, at, kept) == [403, 403]
    context.close()


def test_airflow_took_the_plugin_with_both_views(page: Page, at: Callable[[str], str]) -> None:
    """Airflow drops an invalid view and only writes one log line."""
    plugins = page.request.get(at("/api/v2/plugins")).json()["plugins"]
    (plugin,) = (one for one in plugins if one["name"] == "health")
    views = {view["destination"]: view["name"] for view in plugin["external_views"]}
    assert views == {"nav": "Health", "dag": "Health"}
    errors = page.request.get(at("/api/v2/plugins/importErrors")).json()
    assert errors["import_errors"] == []


@pytest.mark.parametrize("width", [800, 1280])
@pytest.mark.parametrize("state", ["green", "red"])
def test_it_fits_the_window(
    server: Stack, page: Page, at: Callable[[str], str], state: ledger.State, width: int
) -> None:
    ledger.seed(server.dsn("loader"), state)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(at(PAGE))
    assert overflow(page) == 0


def test_the_keyboard_reaches_every_link(
    server: Stack, page: Page, at: Callable[[str], str]
) -> None:
    ledger.seed(server.dsn("loader"), "red")
    page.goto(at(PAGE))
    links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    assert len(set(links)) == len(links) > 1
    reached = []
    for _ in range(len(links) + 5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(_FOCUSED))
    assert list(dict.fromkeys(link for link in reached if link in links)) == links
    assert "SUMMARY" in reached


def test_a_screen_reader_hears_the_verdict_first(
    server: Stack, page: Page, at: Callable[[str], str]
) -> None:
    ledger.seed(server.dsn("loader"), "red")
    page.goto(at(PAGE))
    snapshot = page.locator("main").aria_snapshot()
    assert snapshot.index("heading") < snapshot.index("Needs a human")
    assert page.locator("main h1").count() == 1
    unnamed = "nodes => nodes.filter(node => !node.getAttribute('aria-labelledby')).length"
    assert page.eval_on_selector_all("#plots svg", unnamed) == 0


def _statuses(page: Page, at: Callable[[str], str], cookies: Any = ()) -> list[int]:
    """Request both routes with these cookies. A refused user must see nothing of the page."""
    found = []
    for path in (PAGE, TAB):
        page.context.add_cookies(list(cookies))
        answer = page.goto(at(path))
        assert answer
        assert (page.locator("#health").count() == 1) == answer.ok
        found.append(answer.status)
    return found
