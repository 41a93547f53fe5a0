"""Airflow's UI in a browser. Invariant: tests open every page in the same way as a user."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, BrowserContext, Page

_REMEMBER = "Object.entries({}).forEach(([name, value]) => localStorage.setItem(name, value))"


def context_of(
    browser: Browser, width: int = 1280, height: int = 800, *, theme: str = "light"
) -> BrowserContext:
    """Return a fresh profile with a window of the given size and theme."""
    scheme: Any = theme
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    remember(context, {"theme": theme})
    return context


def remember(context: BrowserContext, choices: Mapping[str, str]) -> None:
    """Store choices of the user in the UI's local storage. Strings are stored unchanged."""
    context.add_init_script(_REMEMBER.format(json.dumps(dict(choices))))


def log_in(page: Page, known: Mapping[str, Any]) -> None:
    """Log in with the form. `known` is the output of `status --json` for the stack."""
    page.goto(known["airflow_url"])
    page.fill("input[name=username]", known["airflow_user"])
    page.fill("input[name=password]", known["airflow_password"])
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Dags").first.wait_for()


def run_url(known: Mapping[str, Any], dag_id: str, run_id: str) -> str:
    """Return the URL of a run's page."""
    return f"{known['airflow_url']}/dags/{dag_id}/runs/{quote(run_id, safe='')}"
