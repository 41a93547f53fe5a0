"""What callbacks read from Airflow."""

import json

import pytest

from callbacks.lookup import airflow_url, channels, find_connection, warehouse_dsn

pytestmark = pytest.mark.unit


def test_a_connection_is_found_by_name_or_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_connection("no_such_connection") is None
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"host": "h", "login": "loader"}))
    assert find_connection("warehouse").host == "h"
    assert "host=h" in warehouse_dsn()


def test_a_channel_that_cannot_work_does_not_stop_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    webhook = {"conn_type": "slackwebhook", "password": "a/b/c"}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", json.dumps(webhook))
    monkeypatch.setenv("PIPELINE_ALERT_EMAIL", "on-call@example.com")  # and no mail server
    assert [channel.name for channel in channels()] == ["slack"]


def test_links_start_with_the_url_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    assert airflow_url() == "https://airflow.example.com"
