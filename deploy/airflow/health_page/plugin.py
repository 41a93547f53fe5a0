"""The Airflow plugin. Invariant: only an api-server imports the page.

Scheduler, dag-processor and workers load plugins too, but never read `fastapi_apps`.
"""

from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/health-page"


def airflow_url() -> str:
    """Return the URL where users reach Airflow, without a trailing slash."""
    return str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")


def airflow_path() -> str:
    """Return the path of Airflow's URL: empty, or without a trailing slash."""
    return urlsplit(airflow_url()).path


class HealthPlugin(AirflowPlugin):
    """The page as an entry of the menu and as a tab of each DAG."""

    name = "health"

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]  # created on access
        """The sub-application, created when Airflow reads it."""
        from health_page.app import create_app

        return [{"name": "health", "app": create_app(), "url_prefix": PREFIX}]

    @cached_property
    def external_views(self) -> list[Any]:  # type: ignore[override]  # created on access
        """The page's places in Airflow's UI, which truncates labels after about ten characters."""
        page = f"{airflow_path()}{PREFIX}/"
        return [
            {
                "name": "Health",
                "href": page,
                "url_route": "health",
                "destination": "nav",
                "nav_top_level": True,
            },
            {
                "name": "Health",
                "href": f"{page}dags/{{DAG_ID}}/",
                "url_route": "health-of-dag",
                "destination": "dag",
            },
        ]
