"""The page's settings come from Airflow, at most once a minute, and a missing one is named."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from health_page import config
from health_page.config import page_config
from scripts.errors import ConfigurationError
from scripts.settings import RunSettings

pytestmark = pytest.mark.unit

_SECRET = "s3cr3t-of-the-test"
_CONNECTION = {
    "conn_type": "postgres",
    "host": "db.example",
    "port": 5433,
    "schema": "warehouse",
    "login": "reader",
    "password": _SECRET,
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The clock of the module. Nothing is remembered from another test."""
    clock = SimpleNamespace(now=600.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(config, "time", clock)
    config._page_config.cache_clear()
    yield clock
    config._page_config.cache_clear()


def _set(monkeypatch: pytest.MonkeyPatch, connection: Any, variable: str = "{}") -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE_READER", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", variable)


def test_the_connection_and_the_variable_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, _CONNECTION, '{"late_days": 5}')
    found = page_config()
    dsn = conninfo_to_dict(found.dsn)
    assert (dsn["host"], dsn["user"], dsn["dbname"]) == ("db.example", "reader", "warehouse")
    assert found.settings == RunSettings(late_days=5)


def test_a_change_is_seen_in_the_next_minute_and_not_before(
    monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
) -> None:
    _set(monkeypatch, _CONNECTION)
    before = page_config()
    _set(monkeypatch, {**_CONNECTION, "host": "other.example"})
    clock.now += 59
    assert page_config() is before
    clock.now += 1
    assert "other.example" in page_config().dsn


def test_a_missing_connection_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE_READER", raising=False)
    with pytest.raises(
        ConfigurationError, match=r"warehouse_reader \(type postgres, role reader\)"
    ):
        page_config()


@pytest.mark.parametrize(
    ("variable", "named"), [("late_days=5", "Variable pipeline"), ('{"late_day": 5}', "late_day")]
)
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    _set(monkeypatch, _CONNECTION, variable)
    with pytest.raises(ConfigurationError, match=named):
        page_config()
