"""Airflow's connections and variable become plain values."""

import json

import pytest

from dags.common.connections import api_endpoint, run_settings, transformer_dsn, warehouse_dsn
from scripts.errors import ConfigurationError
from sources.jsonplaceholder import API

pytestmark = pytest.mark.unit


def _connection(monkeypatch: pytest.MonkeyPatch, name: str, **parts: object) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(parts))


def test_run_settings_are_the_variable_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", '{"max_pages": 3}')
    assert (run_settings().max_pages, run_settings().http_retries) == (3, 4)
    monkeypatch.setenv("AIRFLOW_VAR_PIPELINE", '{"max_page": 3}')
    with pytest.raises(ConfigurationError, match="max_page"):
        run_settings()


def test_each_role_has_its_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, login in (("WAREHOUSE", "loader"), ("DBT_POSTGRES_CONN", "transformer")):
        _connection(monkeypatch, name, conn_type="postgres", host="h", login=login)
    assert "user=loader" in warehouse_dsn()
    assert "user=transformer" in transformer_dsn()


def test_the_api_is_that_of_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    _connection(monkeypatch, "POSTS_API", conn_type="http", host="https://api.example.com")
    assert api_endpoint(API).url == "https://api.example.com"
