"""Bring new objects into the marts: load them, build and test the models, publish.

**What**: an event only means *look now*. The work of a run is computed from the landing zone and
the ledger ``ops.loads`` (level-triggered): objects that landed but are not loaded, and loads that
are not published. A triggered run without work ends immediately, as skipped.

**Trigger**: any of the assets (called Datasets before Airflow 3) ``raw_<source>`` from the ingest
DAGs, ``landing_queue`` for objects of other producers, and ``landing_sweep`` from
``watch_pipeline`` or from a run of this DAG that left work behind. A manual run never skips:
without parameters it rebuilds the marts, with ``days`` it loads those days again first. A named
day that has not landed is waited for without a worker slot, at most ``landing_wait_minutes``. In
that time no other run starts.

**Rerun**: clear any run, trigger a new one, or do nothing: the next run finishes what is left.

**Triage**: a failed dbt test publishes nothing, so the marts do not change. The log of the failed
task names the test and its count. A parked object is in ``ops.loads`` with its reason. ``python -m
scripts.rejects list`` shows rejected records.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, chain, dag

from dags.common.assets import arrivals
from dags.common.dbt_tasks import build_and_publish
from dags.common.defaults import DAG_DEFAULTS
from dags.common.load_operator import LoadPending


@dag(
    schedule=arrivals(),
    doc_md=__doc__,
    tags=["transform"],
    max_active_runs=1,  # two dbt runs must not build one schema at the same time
    dagrun_timeout=timedelta(hours=3),
    params={
        "days": Param(
            [],
            type="array",
            items={"type": "string", "format": "date"},
            description="days to load again (YYYY-MM-DD), of every source. Empty: pending work",
        ),
        "day": Param(
            None, type=["null", "string"], format="date", description="the same, for one day"
        ),
    },
    **DAG_DEFAULTS,
)
def transform_posts() -> None:
    """Wire the steps."""
    chain(LoadPending(task_id="load"), *build_and_publish())


transform_posts()
