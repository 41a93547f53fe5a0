"""The plugin shows the page where Airflow is reached, in the menu and as a tab of each DAG."""

import pytest
from fastapi import FastAPI

from health_page.plugin import PREFIX, HealthPlugin, airflow_path, airflow_url

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("https://airflow.example/af/", "https://airflow.example/af", "/af"),
        ("https://airflow.example", "https://airflow.example", ""),
    ],
)
def test_the_url_of_airflow_has_no_trailing_slash(
    monkeypatch: pytest.MonkeyPatch, url: str, shown: str, path: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", url)
    assert (airflow_url(), airflow_path()) == (shown, path)


def test_both_views_open_routes_of_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/af")
    plugin = HealthPlugin()
    [mounted] = plugin.fastapi_apps
    assert isinstance(mounted["app"], FastAPI)
    assert mounted["url_prefix"] == PREFIX

    views = {view["destination"]: view["href"] for view in plugin.external_views}
    assert views == {
        "nav": "/af/health-page/",
        "dag": "/af/health-page/dags/{DAG_ID}/",
    }
    routes = {f"/af{PREFIX}{path.lower()}" for path in _paths(mounted["app"])}
    assert {href.lower() for href in views.values()} == routes


def _paths(app: FastAPI) -> list[str]:
    return [str(getattr(route, "path", "")) for route in app.routes]


def test_each_view_has_its_own_url_in_the_ui() -> None:
    urls = [view["url_route"] for view in HealthPlugin().external_views]
    assert len(set(urls)) == len(urls)
