"""Pictures of Airflow's pages."""

from playwright.sync_api import Browser, Page

from tests.airflow_ui import context_of, log_in, remember, run_url
from tests.pictures.shot import shot
from tests.stack import LocalStack

DAG = "transform_posts"
_GRAPH = {
    "default_dag_view": '"graph"',
    f"dag_view-{DAG}": '"graph"',
    f"{DAG}/open-groups": '["dbt"]',
}
_REST_MILLISECONDS = 1500


def draw_graph(browser: Browser, stack: LocalStack, run_id: str) -> None:
    """Draw the graph of a run with its dbt tasks, in a wide window."""
    context = context_of(browser, 1600, 700)
    remember(context, _GRAPH)
    page = context.new_page()
    log_in(page, stack.known)
    page.goto(run_url(stack.known, DAG, run_id))
    page.get_by_label("Collapse Details Panel").click()
    _settle(page)
    shot(page, "graph")
    context.close()


def draw_assets(browser: Browser, stack: LocalStack) -> None:
    """Draw the upstream assets of the marts."""
    context = context_of(browser)
    page = context.new_page()
    log_in(page, stack.known)
    page.goto(f"{stack.known['airflow_url']}/assets")
    page.get_by_role("link", name="posts_marts").click()
    _settle(page)
    shot(page, "assets")
    context.close()


def draw_health(browser: Browser, stack: LocalStack) -> None:
    """Draw the health page inside Airflow, light and dark, in a window that shows all of it."""
    for theme in ("light", "dark"):
        context = context_of(browser, 1280, 960, theme=theme)
        page = context.new_page()
        log_in(page, stack.known)
        page.get_by_role("link", name="Health").first.click()
        framed = page.frame_locator("iframe")
        framed.locator(f"html[data-theme={theme}] #health").wait_for()
        shot(page, f"health-{theme}")
        context.close()


def _settle(page: Page) -> None:
    """Wait until the graph is laid out, fits its frame and no longer moves."""
    page.wait_for_selector(".react-flow__node")
    page.get_by_role("button", name="Fit View").click()
    page.wait_for_timeout(_REST_MILLISECONDS)
