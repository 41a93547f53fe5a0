"""Airflow's callbacks for failures and recoveries. Invariant: a callback never raises."""

from callbacks.failure import alert_recovery, alert_run_failure, alert_task_failure
from callbacks.monitoring import report_pipeline_state

__all__ = ["alert_recovery", "alert_run_failure", "alert_task_failure", "report_pipeline_state"]
