"""Dagster, tuned: a sensor each second, one process a run. Invariant: as its documentation shows.

dagster-dbt makes an asset of each model and builds them in one `dbt build`. The environment names
the place: PEER_BUCKET, PEER_DSN (role loader), PEER_DBT (the project), and dbt's own variables.
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
    """Load the object: its records, and its row of the ledger."""
    load(BUCKET, config.key, DSN)
    return None, None


@dbt_assets(manifest=Path(PROJECT) / "target" / "manifest.json")
def models(context: AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build and test the models."""
    build = ["build", "--exclude-resource-type", "unit_test"]
    yield from dbt.cli(build, context=context).stream()


@asset(deps=[models])
def published() -> None:
    """Say that it is done."""
    publish(DSN)


everything = define_asset_job("everything", executor_def=in_process_executor)


@sensor(
    job=everything,
    minimum_interval_seconds=1,
    default_status=DefaultSensorStatus.RUNNING,
)
def landed() -> Iterator[RunRequest]:
    """Ask for a run for each object; one that had its run is passed over by its run key."""
    for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", []):
        key = item["Key"]
        yield RunRequest(run_key=key, run_config=RunConfig({"loaded": Landed(key=key)}))


definitions = Definitions(
    assets=[loaded, models, published],
    jobs=[everything],
    sensors=[landed],
    resources={"dbt": DbtCliResource(project_dir=PROJECT, profiles_dir=PROJECT)},
)
