"""The page's settings from Airflow. Invariant: reads them at most once a minute.

A secrets backend can be a cloud API. A page that refreshes itself must not call it each time.
"""

import time
from dataclasses import dataclass
from functools import lru_cache

from airflow.models import Connection, Variable
from airflow.sdk.exceptions import AirflowNotFoundException

from scripts.errors import ConfigurationError
from scripts.settings import RunSettings, dsn_of

CONNECTION = "warehouse_reader"
_KEPT_SECONDS = 60


@dataclass(frozen=True)
class PageConfig:
    """The DSN of the warehouse as role reader, and the settings that a run uses."""

    dsn: str
    settings: RunSettings


def page_config() -> PageConfig:
    """Return the settings. Raises ConfigurationError that names what to set."""
    return _page_config(int(time.monotonic() // _KEPT_SECONDS))


@lru_cache(maxsize=1)
def _page_config(_minute: int) -> PageConfig:
    try:
        connection = Connection.get_connection_from_secrets(CONNECTION)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"Airflow connection {CONNECTION} (type postgres, role reader) is not set: set it"
        ) from None
    text = Variable.get("pipeline", default_var=None)
    return PageConfig(dsn_of(connection), RunSettings.parse_text(text))
