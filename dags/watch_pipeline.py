"""Look after the pipeline: what is pending is started, what is wrong is told.

**What**: every few minutes one short task compares the landing zone with the ledger. Where work is
pending it publishes the asset ``landing_sweep``, and ``transform_posts`` runs; otherwise it skips.
So a lost event, a queue that died or a DAG that was paused costs minutes and never data. Then it
opens, tells and closes incidents from state alone: late and parked days, stale marts, rejects,
failed runs, broken DAG files, silent parts of Airflow, and whatever a callback could not deliver.
Last it pings ``HEARTBEAT_URL``: who misses the ping knows that this Airflow is dead.

**Rerun**: trigger it by hand at any time; it changes nothing but the table of incidents, and notes
which foreign keys it has told of.

**Triage**: ``python -m scripts.alerts list`` shows what is open, docs/runbook.md what to do about
it. The XCom ``seen`` of the task lists days that are late, waiting, unpublished or parked, and the
age of the marts. A key that belongs to no declared source is left alone, and named once in the log,
in ``seen`` and in ``ops.unknown_objects``. Red means that alerting itself failed: its log says why.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common.assets import LANDING_SWEEP
from dags.common.defaults import DAG_DEFAULTS, DEPLOYMENT

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
    def look(ti: Any = None, outlet_events: Any = None, asset_state_store: Any = None) -> None:
        from callbacks import report_pipeline_state
        from dags.common.connections import landing_store, run_settings, warehouse_dsn
        from scripts.errors import UnavailableError
        from scripts.reconcile.unknown_objects import claim_unreported
        from scripts.reconcile.watch import PipelineState, watch

        seen: PipelineState | UnavailableError
        try:
            seen = watch(landing_store(), warehouse_dsn(), run_settings(), datetime.now(UTC))
            foreign = claim_unreported(warehouse_dsn(), seen.foreign)
            if foreign:
                _log.warning("left alone, of no declared source: %s", ", ".join(foreign))
            ti.xcom_push(key="seen", value={**seen.facts(), "foreign": foreign})
        except UnavailableError as error:
            seen = error
        is_told = report_pipeline_state(seen, run_settings(), asset_state_store[LANDING_SWEEP])
        if (
            isinstance(seen, PipelineState) and seen.is_work_pending
        ):  # healing does not wait for alerts
            outlet_events[LANDING_SWEEP].extra.update(
                {"waiting": seen.waiting, "unpublished": seen.unpublished}
            )
        elif not is_told:
            raise RuntimeError("alerting failed: see the log above")
        else:
            raise AirflowSkipException("nothing is pending")

    look()


watch_pipeline()
