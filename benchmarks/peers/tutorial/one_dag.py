"""The tutorial design: one DAG, Cosmos with its defaults. Invariant: as Cosmos' docs show it.

The benchmark triggers a run through the API as soon as an object lands, so finding the object costs
nothing. Environment variables: PEER_BUCKET, PEER_DSN (role loader), PEER_DBT (the project).
"""

import os
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import chain, dag, task
from cosmos import DbtTaskGroup, ProfileConfig, ProjectConfig
from cosmos.profiles import PostgresUserPasswordProfileMapping

from benchmarks.jobs.plain import load, publish

BUCKET, DSN, PROJECT = (os.environ[name] for name in ("PEER_BUCKET", "PEER_DSN", "PEER_DBT"))


@dag(schedule=None, start_date=datetime(2020, 1, 1, tzinfo=UTC), params={"key": ""})
def tutorial() -> None:
    """Load, build, mark as published."""

    @task
    def loaded(params: Any = None) -> None:
        load(BUCKET, params["key"], DSN)

    @task
    def published() -> None:
        publish(DSN)

    models = DbtTaskGroup(
        project_config=ProjectConfig(PROJECT),
        profile_config=ProfileConfig(
            profile_name="elt",
            target_name="prod",
            profile_mapping=PostgresUserPasswordProfileMapping(
                conn_id="dbt_postgres_conn", profile_args={"schema": "build"}
            ),
        ),
    )
    chain(loaded(), models, published())


tutorial()
