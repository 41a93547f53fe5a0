"""What the page needs of Airflow. Invariant: what Airflow knows is read once a minute at most.

A secrets backend may be a cloud's API, and a page that refreshes itself must not call it each time.
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
    """The warehouse as role reader, and what a run would use."""

    dsn: str
    settings: RunSettings


def page_config() -> PageConfig:
    """Return them; raises ConfigurationError that says what to set."""
    return _page_config(int(time.monotonic() // _KEPT_SECONDS))


@lru_cache(maxsize=1)
def _page_config(_minute: int) -> PageConfig:
    try:
        connection = Connection.get_connection_from_secrets(CONNECTION)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"connection {CONNECTION} (postgres, role reader) is not set"
        ) from None
    try:
        values = Variable.get("pipeline", default_var={}, deserialize_json=True)
    except ValueError:
        raise ConfigurationError("variable pipeline is not a JSON object") from None
    return PageConfig(dsn_of(connection), RunSettings.parse(values))
