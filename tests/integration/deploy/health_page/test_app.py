"""The page on a real api-server: access control, content, and behaviour without the warehouse."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape

import psycopg
import pytest
import requests
from psycopg import sql

from benchmarks.api_server import ApiServer, api_server
from local.postgres import PostgresServer
from scripts.alerts.incident import Incident, Kind
from tests import health as ledger
from tests.conftest import Warehouse
from tests.integration.health.test_main import command
from tests.loading import database_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

_ROUTES = ["/health-page/", "/health-page/dags/transform_posts/"]
_OFF = ["/health-page/docs", "/health-page/redoc", "/health-page/openapi.json", "/health-page/x"]


@dataclass(frozen=True)
class Airflow(ApiServer):
    """An api-server, and the warehouse that its page queries."""

    warehouse: Warehouse

    def page(self) -> requests.Response:
        return self.get("/health-page/", self.login("watch"))


@pytest.fixture(scope="module")
def airflow(
    postgres: PostgresServer, _migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("api-server")
    with (
        database_of(postgres, _migrated_template, "warehouse_of_the_page") as warehouse,
        api_server(home, warehouse.reader, {"late_days": 5}) as server,
    ):
        yield Airflow(server.url, server.managed, warehouse)


@pytest.mark.parametrize("path", _ROUTES)
def test_only_who_is_logged_in_and_may_view_sees_a_route(airflow: Airflow, path: str) -> None:
    ledger.seed(airflow.warehouse.loader, "green")
    assert airflow.get(path).status_code == 401
    assert airflow.get(path, "no-token").status_code == 403
    token = airflow.login("watch")
    seen = airflow.get(path, token)
    assert (seen.status_code, 'data-verdict="green"' in seen.text) == (200, True)
    assert airflow.get(path, token[:-4] + "AAAA").status_code == 403

    airflow.get("/api/v2/auth/logout", token, allow_redirects=False)
    assert airflow.get(path, token).status_code == 403


@pytest.mark.parametrize("path", _OFF)
def test_there_is_nothing_beside_the_guarded_routes(airflow: Airflow, path: str) -> None:
    for token in (None, airflow.login("admin")):
        assert airflow.get(path, token).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_can_only_be_read(airflow: Airflow, method: str) -> None:
    cookies = {"_token": airflow.login("admin")}
    for path in _ROUTES:
        answer = requests.request(method, f"{airflow.url}{path}", cookies=cookies, timeout=30)
        assert answer.status_code == 405


def test_airflow_knows_the_plugin_and_both_of_its_views(airflow: Airflow) -> None:
    """Airflow drops an invalid view and only writes one log line."""
    token = airflow.login("admin")
    headers = {"Authorization": f"Bearer {token}"}
    plugins = requests.get(f"{airflow.url}/api/v2/plugins", headers=headers, timeout=30).json()
    [plugin] = [one for one in plugins["plugins"] if one["name"] == "health"]
    assert [(view["destination"], view["href"]) for view in plugin["external_views"]] == [
        ("nav", "/health-page/"),
        ("dag", "/health-page/dags/{DAG_ID}/"),
    ]
    assert [app["url_prefix"] for app in plugin["fastapi_apps"]] == ["/health-page"]


@pytest.mark.parametrize("state", ["green", "amber", "red", "grey"])
def test_page_and_command_never_disagree(airflow: Airflow, state: ledger.State) -> None:
    ledger.seed(airflow.warehouse.loader, state)
    shown = json.loads(command(airflow.warehouse.reader, "--json").stdout)
    page = airflow.page().text

    assert shown["state"] == state
    assert f'<main id="health" data-verdict="{shown["state"]}">' in page
    assert _attributes(page, "data-tile", "data-state") == [
        (tile["name"], tile["state"]) for tile in shown["tiles"]
    ]
    assert _attributes(page, "data-need", "data-state") == [
        (need["fingerprint"], need["state"]) for need in shown["needs"]
    ]
    assert _attributes(page, "data-mart", "data-state") == [
        (mart["name"], mart["state"]) for mart in shown["marts"]
    ]
    cells = re.findall(r'data-cell="([^"]+)"', page)
    assert cells == [cell for strip in shown["on_time"] for cell in strip["cells"]]
    text = unescape(re.sub(r"<[^>]+>", " ", page))
    first = shown["reasons"][0]
    assert first in text or "minutes" in first  # the minute may change between the two requests
    for tile in shown["tiles"]:
        assert tile["value"] in text, tile
    for line in (f"{need['title']}" for need in shown["needs"]):
        assert line in text


def _attributes(page: str, *names: str) -> list[tuple[str, ...]]:
    pattern = " ".join(f'{name}="([^"]*)"' for name in names)
    return [tuple(map(unescape, found)) for found in re.findall(pattern, page)]


def test_what_data_says_is_text(airflow: Airflow) -> None:
    """An incident contains text of APIs and exceptions, which is untrusted input."""
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    incident = Incident.new(
        Kind.RUN_FAILED,
        f"ingest_{hostile}",
        facts={f"Error{hostile}": hostile},
        links={"Log": "javascript:alert(3)", "Run": f"https://airflow.example/{hostile}"},
    )
    ledger.seed(airflow.warehouse.loader, "green")
    with psycopg.connect(airflow.warehouse.loader) as connection:
        ledger.open_incident(connection, incident, datetime.now(UTC))
    answer = airflow.page()
    page = answer.text

    assert 'data-verdict="red"' in page
    assert page.count("<script") == 1
    assert "<img" not in page
    assert 'href="javascript:' not in page
    assert "&lt;script&gt;alert(1)" in page
    [nonce] = re.findall(r'<script nonce="([^"]+)">', page)
    policy = answer.headers["Content-Security-Policy"]
    assert f"script-src 'nonce-{nonce}'" in policy
    assert "default-src 'none'" in policy
    assert "style=" not in page  # the policy would block it


def test_a_warehouse_that_is_away_is_said_and_airflow_goes_on(airflow: Airflow) -> None:
    ledger.seed(airflow.warehouse.loader, "green")
    name = sql.Identifier(airflow.warehouse.name)
    with psycopg.connect(airflow.warehouse.server.dsn("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("alter database {} allow_connections false").format(name))
        try:
            answer = airflow.page()
            health = airflow.get("/api/v2/version")
            done = command(airflow.warehouse.reader)
        finally:
            admin.execute(sql.SQL("alter database {} allow_connections true").format(name))
    assert answer.status_code == 503
    assert 'id="warehouse-down"' in answer.text
    assert 'data-verdict="grey"' in answer.text
    assert "reader-pw" not in answer.text
    assert health.status_code == 200
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert airflow.page().status_code == 200
