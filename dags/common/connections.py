"""Airflow's connections and the Variable ``pipeline`` as plain values for scripts/.

Invariant: they are read at run time, inside a task, and never while a DAG file is parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbacks.lookup import find_connection, warehouse_dsn
from scripts.settings import (
    Endpoint,
    EnvConnection,
    RunSettings,
    api_of,
    deployment,
    dsn_of,
)

if TYPE_CHECKING:
    from scripts.landing.store import Store
    from sources.declaration import Api

__all__ = ["api_endpoint", "landing_store", "run_settings", "transformer_dsn", "warehouse_dsn"]


def run_settings() -> RunSettings:
    """Read the Airflow variable ``pipeline`` (a JSON object, may be absent) over the defaults."""
    from airflow.sdk import Variable

    return RunSettings.parse(Variable.get("pipeline", default={}, deserialize_json=True))


def landing_store(aws_conn_id: str = "aws_default") -> Store:
    """Open the landing bucket with an AWS connection."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from scripts.landing.store import CLIENT_CONFIG, Store

    hook = S3Hook(aws_conn_id=aws_conn_id, config=CLIENT_CONFIG)
    return Store(hook.get_conn(), deployment().bucket())


def api_endpoint(api: Api) -> Endpoint:
    """Return the address and the secrets of an API. Without a connection it has no secrets."""
    found = find_connection(api.connection) or EnvConnection()
    return api_of(found, api.connection, api.base_url)


def transformer_dsn() -> str:
    """Return the DSN of connection ``dbt_postgres_conn``, role transformer."""
    from airflow.sdk import Connection

    return dsn_of(Connection.get("dbt_postgres_conn"))
