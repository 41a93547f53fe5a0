"""Look after the pipeline: what is pending is started, what is late or stuck is told.

**What**: every few minutes one short task compares the landing zone with the ledger. Where work is
pending it publishes the asset ``landing_sweep``, and ``transform_posts`` runs; otherwise it skips.
So a lost event, a queue that died or a DAG that was paused costs minutes and never data.

**Rerun**: trigger it by hand at any time; it changes nothing itself.

**Triage**: the XCom ``seen`` of its task lists days that are late, waiting, unpublished or parked,
and the age of the marts. A late day: look at the runs of ``ingest_<source>``. A parked one:
its reason is in ``ops.loads``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.shared import DAG_DEFAULTS, DEPLOYMENT, LANDING_SWEEP


@dag(
    schedule=DEPLOYMENT.watch_schedule,
    doc_md=__doc__,
    tags=["watch"],
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    **DAG_DEFAULTS,
)
def watch_pipeline() -> None:
    """Wire the steps."""

    @task(outlets=[LANDING_SWEEP], execution_timeout=timedelta(minutes=5))
    def look(ti: Any = None, outlet_events: Any = None) -> None:
        from dags.shared import landing_store, run_settings, warehouse_dsn
        from scripts.watch import watch

        seen = watch(landing_store(), warehouse_dsn(), run_settings(), datetime.now(UTC))
        ti.xcom_push(key="seen", value=seen.facts())
        if not seen.is_work_pending:
            raise AirflowSkipException("nothing is pending")
        outlet_events[LANDING_SWEEP].extra.update(
            {"waiting": seen.waiting, "unpublished": seen.unpublished}
        )

    look()


watch_pipeline()
