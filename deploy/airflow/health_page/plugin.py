"""Airflow's plugin. Invariant: only an api-server imports the page.

Scheduler, dag-processor and workers load plugins too, and never ask for `fastapi_apps`.
"""

from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

PREFIX = "/health-page"


def airflow_url() -> str:
    """Return where people reach Airflow, without a slash at its end."""
    return str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")


def airflow_path() -> str:
    """Return the path below which Airflow is reached: empty, or without a slash at its end."""
    return urlsplit(airflow_url()).path


class HealthPlugin(AirflowPlugin):
    """The page in the menu, and as a tab of each DAG."""

    name = "health"

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]  # made when asked for
        """The sub-application; it exists where it is asked for."""
        from health_page.app import create_app

        return [{"name": "health", "app": create_app(), "url_prefix": PREFIX}]

    @cached_property
    def external_views(self) -> list[Any]:  # type: ignore[override]  # made when asked for
        """Where Airflow's UI shows it; labels are cut after about ten characters."""
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
