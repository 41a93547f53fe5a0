"""Prefect 3, tuned: a served flow that polls for runs each second. Invariant: as its docs show.

The benchmark triggers a run through the API as soon as an object lands, so finding the object costs
nothing. Environment variables: PEER_BUCKET, PEER_DSN (role loader), PEER_DBT (the project), and
dbt's own.
"""

import os
from pathlib import Path

from prefect import flow, task
from prefect_dbt import (
    PrefectDbtRunner,
    PrefectDbtSettings,
)

from benchmarks.jobs.plain import load, publish

BUCKET, DSN, PROJECT = (os.environ[name] for name in ("PEER_BUCKET", "PEER_DSN", "PEER_DBT"))


@task
def loaded(key: str) -> None:
    """Load the object."""
    load(BUCKET, key, DSN)


@task
def published() -> None:
    """Mark the load as published."""
    publish(DSN)


@flow
def transform(key: str) -> None:
    """Load one object, build the models and mark the load as published."""
    loaded(key)
    settings = PrefectDbtSettings(project_dir=Path(PROJECT), profiles_dir=Path(PROJECT))
    PrefectDbtRunner(settings=settings).invoke(["build", "--exclude-resource-type", "unit_test"])
    published()


if __name__ == "__main__":
    transform.serve(name="landed")
