"""The page escapes all data, links only to the web, and names the steps if nothing is known."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import msgspec
import pytest

from health_page.page import render, render_unknown
from scripts.alerts.incident import Kind
from scripts.errors import ConfigurationError, UnavailableError
from scripts.health.facts import Health, Need, State
from scripts.settings import Deployment
from tests.unit.health.pictures import NOW, TODAY, changed, health, past, seen

pytestmark = pytest.mark.unit

_PLACE = Deployment(environment="test")
_NONCE = "a-nonce"


@pytest.fixture(autouse=True)
def airflow_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/af/")


def _need(**changes: Any) -> Need:
    need = Need(
        fingerprint="f",
        kind=Kind.RUN_FAILED,
        state=State.RED,
        title="ingest_posts failed",
        next="run it again",
        subject="ingest_posts",
        day=None,
        since=NOW - timedelta(hours=1),
        facts={},
        links={},
    )
    return msgspec.structs.replace(need, **changes)


def _health(*needs: Need) -> Health:
    return msgspec.structs.replace(health(seen(past())), needs=list(needs))


def _links(need: Need, place: Deployment = _PLACE) -> list[tuple[str, str]]:
    """Return the page's links as (label, URL), in the order of the page."""
    found = re.findall(r'<a href="([^"]*)">([^<]*)</a>', render(_health(need), place, "", _NONCE))
    return [(label, unescape(url)) for url, label in found]


def test_a_day_that_was_asked_for_too_late_says_so() -> None:
    day = TODAY - timedelta(days=3)
    page = render(health(seen(changed(past(), "users", 3, as_of=NOW))), _PLACE, "", _NONCE)
    assert f'title="{day}: on time, as of {TODAY}"' in page
    assert "on time, 1 as of a later day</td>" in page
    assert "as of a later day" not in render(_health(), _PLACE, "", _NONCE)


def test_text_of_the_data_is_escaped() -> None:
    hostile = '"><script>alert(1)</script>'
    need = _need(title=hostile, facts={hostile: hostile}, next=hostile, fingerprint=hostile)
    page = render(_health(need), _PLACE, hostile, _NONCE)
    assert page.count("<script") == 1  # our own
    assert f'<script nonce="{_NONCE}">' in page
    assert page.count("&lt;script&gt;alert(1)") == 6


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", ""])
def test_only_a_web_address_is_a_link(url: str) -> None:
    links = {"Log": url, "Run": "https://other.example/run?a=1&b=2"}
    assert _links(_need(links=links)) == [("Run", "https://other.example/run?a=1&b=2")]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://airflow.example/af/dags/d/runs/r", "/af/dags/d/runs/r"),
        ("https://airflow.example/af.evil/dags", "https://airflow.example/af.evil/dags"),
        ("https://other.example/af/dags", "https://other.example/af/dags"),
    ],
)
def test_a_link_into_airflow_opens_in_the_page_around(url: str, shown: str) -> None:
    assert _links(_need(links={"Run": url})) == [("Run", shown)]


def test_a_cause_without_a_link_opens_its_run() -> None:
    need = _need(run_id="manual__2026-01-31T00:00:00+00:00/x")
    run = "manual__2026-01-31T00%3A00%3A00%2B00%3A00%2Fx"
    assert _links(need) == [("Run", f"/af/dags/transform_posts/runs/{run}")]
    assert _links(_need()) == []


def test_the_run_book_is_a_link_where_it_has_a_url_and_a_path_elsewhere() -> None:
    place = Deployment(environment="test", runbook_url="https://docs.example/runbook")
    url = f"https://docs.example/runbook#{Kind.RUN_FAILED.value}"
    assert _links(_need(), place) == [("Run book", url)]
    page = render(_health(_need()), _PLACE, "", _NONCE)
    assert f"<code>docs/runbook.md#{Kind.RUN_FAILED.value}</code>" in page


def test_a_healthy_pipeline_needs_no_operator() -> None:
    page = render(_health(), _PLACE, "", _NONCE)
    assert '<main id="health" data-verdict="green">' in page
    assert "Needs a human (0)" in page
    assert "tab of" not in page
    assert "tab of ingest_posts" in render(_health(), _PLACE, "ingest_posts", _NONCE)


def test_an_unknown_health_names_the_error_and_the_next_step() -> None:
    down = render_unknown(UnavailableError("no <answer>"), NOW, _NONCE)
    assert 'data-verdict="grey"' in down
    assert "no &lt;answer&gt;" in down
    assert "Check that Postgres runs" in down
    assert "2026-03-18 12:00 UTC" in down
    unset = render_unknown(ConfigurationError("warehouse_reader is not set"), NOW, _NONCE)
    assert "python -m scripts.migrate" in unset
    assert "Check that Postgres runs" not in unset
