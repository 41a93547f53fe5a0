"""Airflow's connections as plain values. Invariant: they are read by name, and only at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.settings import deployment, dsn_of

if TYPE_CHECKING:
    from scripts.alerts.channels import Channel


def find_connection(conn_id: str) -> Any:
    """Return a connection, or None if Airflow does not have it."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException:
        return None


def warehouse_dsn() -> str:
    """Return the DSN of connection ``warehouse``, role loader."""
    from airflow.sdk import Connection

    return dsn_of(Connection.get("warehouse"))


def channels() -> list[Channel]:
    """Return the configured channels that can work. The errors of the others are logged."""
    from scripts.alerts.channels import channels_of

    return channels_of(deployment(), find_connection, is_strict=False)


def airflow_url() -> str:
    """Return the base URL of Airflow's UI."""
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="http://localhost:8080"))
