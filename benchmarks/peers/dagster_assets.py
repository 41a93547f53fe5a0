"""Dagster, tuned: a sensor each second, one process per run. Invariant: as its documentation shows.

dagster-dbt creates an asset for each model and builds them in one `dbt build`. Environment
variables: PEER_BUCKET, PEER_DSN (role loader), PEER_DBT (the project), and dbt's own.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from dagster import (
    AssetExecutionContext,
    AssetSpec,
    Config,
    DefaultSensorStatus,
    Definitions,
    RunConfig,
    RunRequest,
    asset,
    define_asset_job,
    in_process_executor,
    multi_asset,
    sensor,
)
from dagster_dbt import (
    DbtCliResource,
    dbt_assets,
)

from benchmarks.jobs.plain import load, publish

BUCKET, DSN, PROJECT = (os.environ[name] for name in ("PEER_BUCKET", "PEER_DSN", "PEER_DBT"))


class Landed(Config):
    """The object of a run."""

    key: str


@multi_asset(specs=[AssetSpec(["raw", "posts"]), AssetSpec(["ops", "loads"])])
def loaded(config: Landed) -> tuple[None, None]:
    """Load the object: its records and its ledger row."""
    load(BUCKET, config.key, DSN)
    return None, None


@dbt_assets(manifest=Path(PROJECT) / "target" / "manifest.json")
def models(context: AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build and test the models."""
    build = ["build", "--exclude-resource-type", "unit_test"]
    yield from dbt.cli(build, context=context).stream()


@asset(deps=[models])
def published() -> None:
    """Mark the load as published."""
    publish(DSN)


everything = define_asset_job("everything", executor_def=in_process_executor)


@sensor(
    job=everything,
    minimum_interval_seconds=1,
    default_status=DefaultSensorStatus.RUNNING,
)
def landed() -> Iterator[RunRequest]:
    """Request one run per object. The run key skips an object that already had its run."""
    for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", []):
        key = item["Key"]
        yield RunRequest(run_key=key, run_config=RunConfig({"loaded": Landed(key=key)}))


definitions = Definitions(
    assets=[loaded, models, published],
    jobs=[everything],
    sensors=[landed],
    resources={"dbt": DbtCliResource(project_dir=PROJECT, profiles_dir=PROJECT)},
)
