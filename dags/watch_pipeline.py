"""Look after the pipeline: what is pending is started, what is late or stuck is told.

**What**: every few minutes one short task compares the landing zone with the ledger. Where work is
pending it publishes the asset ``landing_sweep``, and ``transform_posts`` runs; otherwise it skips.
So a lost event, a queue that died or a DAG that was paused costs minutes and never data.

**Rerun**: trigger it by hand at any time; it changes nothing itself, but notes which foreign keys
it has told of.

**Triage**: the XCom ``seen`` of its task lists days that are late, waiting, unpublished or parked,
and the age of the marts. A late day: look at the runs of ``ingest_<source>``. A parked one:
its reason is in ``ops.loads``. A key that belongs to no declared source is left alone, and named
once in the log, in ``seen`` and in ``ops.foreign_keys``.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.shared import DAG_DEFAULTS, DEPLOYMENT, LANDING_SWEEP

_log = logging.getLogger(__name__)


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
        from scripts.foreign import not_told_yet
        from scripts.watch import watch

        dsn = warehouse_dsn()
        seen = watch(landing_store(), dsn, run_settings(), datetime.now(UTC))
        foreign = not_told_yet(dsn, seen.foreign)
        if foreign:
            _log.warning("left alone, of no declared source: %s", ", ".join(foreign))
        ti.xcom_push(key="seen", value={**seen.facts(), "foreign": foreign})
        if not seen.is_work_pending:
            raise AirflowSkipException("nothing is pending")
        outlet_events[LANDING_SWEEP].extra.update(
            {"waiting": seen.waiting, "unpublished": seen.unpublished}
        )

    look()


watch_pipeline()
