"""Airflow's connections as plain values. Invariant: they are read by name, and only at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Connection
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from scripts.settings import deployment, dsn_of

if TYPE_CHECKING:
    from scripts.alerts.channels import Channel


def find_connection(conn_id: str) -> Any:
    """Return a connection, or None if Airflow does not have it."""
    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException:
        return None


def warehouse_dsn() -> str:
    """Return the DSN of connection ``warehouse``, role loader."""
    return dsn_of(Connection.get("warehouse"))


def transformer_dsn() -> str:
    """Return the DSN of connection ``dbt_postgres_conn``, role transformer."""
    return dsn_of(Connection.get("dbt_postgres_conn"))


def channels() -> list[Channel]:
    """Return the configured channels that can work. The errors of the others are logged."""
    from scripts.alerts.channels import channels_of

    return channels_of(deployment(), find_connection, is_strict=False)


def airflow_url() -> str:
    """Return the base URL of Airflow's UI."""
    return str(conf.get("api", "base_url", fallback="http://localhost:8080"))
