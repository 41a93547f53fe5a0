"""Bring whatever has landed into the marts: load it, build and test the models, publish.

**What**: an event only says *look now*. The work of a run is what the landing zone and the ledger
``ops.loads`` say: objects landed and not loaded, and loads not yet published. Nothing to do ends a
triggered run at once, green, as skipped.

**Trigger**: any of the assets (called Datasets before Airflow 3) ``raw_posts`` from our own ingest,
``landing_queue`` from whoever else writes to the landing zone, and ``landing_sweep`` from
``watch_pipeline``, or from a run of this DAG that leaves more behind than it took; or by hand. By
hand it never skips: without parameters it rebuilds the marts, with ``days`` it reloads those days
first. A named day that has not landed is waited for, ``landing_wait_minutes`` at most, without a
worker slot; but as one run goes at a time, nothing else is transformed meanwhile.

**Rerun**: clear any run, trigger a new one, or do nothing: the next run finishes what is left.

**Triage**: a failed dbt test publishes nothing and the marts stay as they were; the log of the red
task names the test and its count. A parked object is in ``ops.loads`` with its reason, and a
rejected record is shown by ``python -m scripts.rejects list``.
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
    max_active_runs=1,  # dbt must not build one schema twice at once
    dagrun_timeout=timedelta(hours=3),
    params={
        "days": Param(
            [],
            type="array",
            items={"type": "string", "format": "date"},
            description="days to load again (YYYY-MM-DD), of every source; empty: what is pending",
        )
    },
    **DAG_DEFAULTS,
)
def transform_posts() -> None:
    """Wire the steps."""
    chain(LoadPending(task_id="load"), *build_and_publish())


transform_posts()
