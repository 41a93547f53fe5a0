"""Watch the pipeline: start pending work, and report what is wrong.

**What**: every few minutes one short task compares the landing zone with the ledger. If work is
pending, it publishes the asset ``landing_sweep``, which starts ``transform_posts``. Otherwise it
skips. So a lost event, a broken queue or a paused DAG costs minutes and never data. Then it opens,
reports and closes incidents from state alone: late and parked days, stale marts, rejects, failed
runs, DAG import errors, silent components of Airflow, and alerts that a callback could not deliver.
Finally it pings the dead-man's switch ``HEARTBEAT_URL``: a missing ping reports a dead Airflow.

**Rerun**: trigger it manually at any time. It changes only the tables of incidents and of unknown
objects.

**Triage**: ``python -m scripts.alerts list`` shows open incidents, docs/runbook.md what to do. The
XCom ``state`` lists days that are late, waiting, deleted or parked, and the age of the marts. A
key that belongs to no declared source is not touched. It is reported once: in the log and in
``ops.unknown_objects``. A failed run means that alerting itself failed: its log says why.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common.assets import LANDING_SWEEP
from dags.common.defaults import DAG_DEFAULTS, DEPLOYMENT
from dags.common.parameters import check_conf


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
    def look(
        ti: Any = None,
        dag_run: Any = None,
        dag: Any = None,
        outlet_events: Any = None,
        asset_state_store: Any = None,
    ) -> None:
        from callbacks import report_pipeline_state
        from dags.common.connections import landing_store, run_settings, warehouse_dsn
        from scripts.errors import PipelineError, UnavailableError
        from scripts.reconcile.unknown_objects import log_unknown
        from scripts.reconcile.watch import PipelineState, watch

        check_conf(dag_run, dag)
        state: PipelineState | UnavailableError
        try:
            state = watch(landing_store(), warehouse_dsn(), run_settings(), datetime.now(UTC))
            ti.xcom_push(key="state", value=state.facts())
        except PipelineError as error:  # alerts go out whatever it is
            state = UnavailableError(str(error))
        is_reported = report_pipeline_state(state, run_settings(), asset_state_store[LANDING_SWEEP])
        if isinstance(state, PipelineState):
            log_unknown(warehouse_dsn(), state.unknown)
        if isinstance(state, PipelineState) and state.is_work_pending:  # whatever alerting did
            facts = state.facts()
            names = ("waiting", "waiting_count", "unpublished")
            outlet_events[LANDING_SWEEP].extra.update({name: facts[name] for name in names})
        elif not is_reported:
            raise RuntimeError("alerting failed: see the log above")
        else:
            raise AirflowSkipException("nothing is pending")

    look()


watch_pipeline()
