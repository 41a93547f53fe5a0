"""Prefect 3, tuned: a served flow that looks for runs each second. Invariant: as its docs show.

A run is asked for through the API the moment that an object lands: nothing is spent on finding it.
The environment names the place: PEER_BUCKET, PEER_DSN (role loader), PEER_DBT (the project), and
dbt's own variables.
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
    """Say that it is done."""
    publish(DSN)


@flow
def transform(key: str) -> None:
    """Bring one object to the models."""
    loaded(key)
    settings = PrefectDbtSettings(project_dir=Path(PROJECT), profiles_dir=Path(PROJECT))
    PrefectDbtRunner(settings=settings).invoke(["build", "--exclude-resource-type", "unit_test"])
    published()


if __name__ == "__main__":
    transform.serve(name="landed")
