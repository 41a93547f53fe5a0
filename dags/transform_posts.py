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
from typing import Any

from airflow.sdk import Param, chain, dag, task

from dags.find_pending import FindPending
from dags.marts import build_models, publish_marts
from dags.shared import DAG_DEFAULTS, arrivals


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

    @task
    def load(work: dict[str, Any], run_id: Any = None) -> dict[str, int]:
        from dags.shared import landing_store, run_settings, warehouse_dsn
        from scripts.cleanup import clean_up_all
        from scripts.load import load_work, summary
        from scripts.pending import Work

        settings, dsn = run_settings(), warehouse_dsn()
        results = load_work(Work.of_facts(work), landing_store(), dsn, settings, run_id)
        return {**summary(results), "rows_cleaned_up": clean_up_all(dsn, settings)}

    pending: Any = FindPending(task_id="find_pending").output  # a dict only when a task runs
    chain(load(pending), build_models(), publish_marts())


transform_posts()
